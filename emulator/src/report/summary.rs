//! The report as text for people.

use std::fmt;

use super::{CommandCount, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(client) = &self.client {
            let end = match (client.exit_status, client.signal) {
                (Some(status), _) => format!("exited with status {status}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => "did not run".to_owned(),
            };
            row(f, "client", &end)?;
        }
        row(f, "module", &self.resets_in_words())?;
        row(f, "handshakes", &self.handshakes_in_words())?;
        for stage in ["rom", "loader"] {
            let of_stage: Vec<_> = self.commands.iter().filter(|command| command.stage == stage).collect();
            if !of_stage.is_empty() {
                row(
                    f,
                    if stage == "rom" { "boot ROM" } else { "RAM loader" },
                    &commands_in_words(&of_stage),
                )?;
            }
        }
        row(f, "errors", &self.errors_in_words())?;
        let rates: Vec<_> = self.baud_bps.iter().map(|bps| grouped(u64::from(*bps))).collect();
        let at = if rates.is_empty() { String::new() } else { format!(", at {} baud", rates.join(", ")) };
        let (to, from) = (grouped(self.bytes.to_module), grouped(self.bytes.from_module));
        row(f, "bytes", &format!("{to} to the module, {from} from it{at}"))?;
        row(f, "flash", &self.flash_in_words())?;
        match self.fuses_burnt {
            0 => row(f, "fuses", "none burnt")?,
            count => row(f, "fuses", &format!("{count} BURNT"))?,
        }
        for (index, fault) in self.faults.faults.iter().enumerate() {
            row(f, if index == 0 { "faults" } else { "" }, &fault.to_string())?;
        }
        for warning in &self.warnings {
            row(f, "warning", &format!("{} ({})", warning.text, grouped(warning.count)))?;
        }
        if let Some(cause) = &self.cause {
            row(f, "cause", cause)?;
        }
        if let Some(explanation) = &self.explanation {
            row(f, "", explanation)?;
        }
        Ok(())
    }
}

impl Report {
    fn resets_in_words(&self) -> String {
        let mut words = format!("{}, {}", self.profile, counted(self.resets, "reset"));
        for (count, what) in [(self.system_resets, "reset by command"), (self.cpu_resets, "CPU reset")] {
            if count > 0 {
                words += &format!(", {}", counted(count, what));
            }
        }
        words
    }

    fn handshakes_in_words(&self) -> String {
        let words: Vec<_> = self
            .handshakes
            .iter()
            .map(|row| {
                let stage = if row.stage == "rom" { "boot ROM" } else { "RAM loader" };
                format!("{stage} at {} baud ({})", grouped(u64::from(row.baud_bps)), row.count)
            })
            .collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }

    fn errors_in_words(&self) -> String {
        let words: Vec<_> =
            self.errors.iter().map(|row| format!("FL{} {} ({})", row.code, row.name, row.count)).collect();
        if words.is_empty() { "none answered".to_owned() } else { words.join(", ") }
    }

    fn flash_in_words(&self) -> String {
        let mut words = Vec::new();
        if self.erase_units > 0 {
            words.push(format!("{} erased", counted(self.erase_units, "unit")));
        }
        if self.chip_erases > 0 {
            words.push(counted(self.chip_erases, "chip erase"));
        }
        if self.bytes_programmed > 0 {
            words.push(format!("{} bytes programmed", grouped(self.bytes_programmed)));
        }
        if self.flash.changed {
            words.push(format!("SHA-256 was {}, is {}", self.flash.sha256_before, self.flash.sha256_after));
        } else {
            words.push(format!("contents unchanged, SHA-256 {}", self.flash.sha256_after));
        }
        words.join(", ")
    }
}

fn commands_in_words(commands: &[&CommandCount]) -> String {
    let words: Vec<_> = commands
        .iter()
        .map(|row| {
            let refused = if row.refused > 0 { format!(", {} refused", row.refused) } else { String::new() };
            format!("{} {} ({}{refused})", row.id, row.name, row.count)
        })
        .collect();
    words.join(", ")
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {name:<11} {text}")
}

fn counted(count: u64, what: &str) -> String {
    match (count, what.strip_prefix("reset ")) {
        (1, _) => format!("1 {what}"),
        (_, Some(rest)) => format!("{count} resets {rest}"),
        _ => format!("{count} {what}s"),
    }
}

/// With a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_048_576), "1,048,576");
        assert_eq!(counted(1, "reset by command"), "1 reset by command");
        assert_eq!(counted(2, "reset by command"), "2 resets by command");
        assert_eq!(counted(6, "reset"), "6 resets");
    }
}
