//! Lines for people.

use bl702_flasher::Nanos;
use bl702_flasher::error::ErrorKind;
use bl702_flasher::event::{Event, SilenceReason};
use bl702_flasher::plan::FlashRange;
use bl702_flasher::port::AdapterLatency;

use super::bar::Progress;
use super::{Reporter, print_error, print_line};
use crate::cmd::Outcome;
use crate::failure::Failure;

/// The reporter for people: progress and remarks on standard error, results on standard output.
#[derive(Debug)]
pub(super) struct Text {
    progress: Progress,
    results_to_stderr: bool,
}

impl Text {
    pub(super) fn new() -> Text {
        Text { progress: Progress::new(), results_to_stderr: false }
    }
}

impl Reporter for Text {
    fn started(&mut self, _command: &str, _port: &str) {}

    fn event(&mut self, at: Nanos, event: &Event) {
        if let Event::Progress { phase, done_bytes, total_bytes } = event {
            self.progress.update(at, *phase, *done_bytes, *total_bytes);
        } else if let Some(line) = line_of(event) {
            self.progress.line(&line);
        }
    }

    fn text_to_stderr(&mut self) {
        self.results_to_stderr = true;
    }

    fn finished(&mut self, _command: &str, result: &Result<Outcome, Failure>) {
        self.progress.end();
        match result {
            Ok(outcome) if self.results_to_stderr => outcome.text.iter().for_each(|line| print_error(line)),
            Ok(outcome) => outcome.text.iter().for_each(|line| print_line(line)),
            Err(failure) => failure_lines(failure).iter().for_each(|line| print_error(line)),
        }
    }
}

/// What failed, in which state the flash is, what to do.
pub(super) fn failure_lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("error: {}", failure.message())];
    if let Some(cause) = failure.cause() {
        lines.push(format!("likely cause: {cause}"));
    }
    if let Some(run) = failure.run() {
        if !run.troubles.is_empty() {
            lines.push(format!("before that: {}", run.troubles));
        }
        lines.push(format!("flash: {}", run.flash));
        if run.fuses.is_touched() || matches!(run.kind, ErrorKind::Burn(_)) {
            lines.push(format!("fuses: {}", run.fuses));
        }
        lines.push(format!("module: {}", run.module));
    }
    lines.push(format!("next:  {}", failure.advice()));
    lines
}

pub(super) fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Bound { part, bound_ms } => bound_text(part, *bound_ms),
        // Whether asking did anything the driver does not tell.
        Event::Adapter(
            AdapterLatency::Unknown | AdapterLatency::Low { .. } | AdapterLatency::Lowered { from_ms: None },
        ) => return None,
        Event::Adapter(latency @ AdapterLatency::High { .. }) => format!("warning: {latency}"),
        Event::Adapter(latency) => latency.to_string(),
        Event::ResetByLines => "resetting the module through the modem lines".to_owned(),
        Event::NoLines => {
            "this port has no modem lines: the module is taken as it is, or reset by hand".to_owned()
        }
        Event::Handshake { baud_bps, .. } => format!("handshake at {baud_bps} baud"),
        Event::Silence { span_ms, reason } => silence_text(*span_ms, *reason),
        Event::NeedsHands { wait_ms, can_reset } => hands_text(*wait_ms, *can_reset),
        Event::BootInfo { version: Some(version), chip_id: Some(chip_id), .. } => {
            format!("boot ROM {version}h, chip id {chip_id}")
        }
        Event::LoaderRunning => "a RAM loader is running already and is used".to_owned(),
        Event::Upload { bytes, run_command: true } => {
            format!("uploading the RAM loader ({bytes} bytes), to be started by command 1Ah")
        }
        Event::Flash { jedec, identified, part, size_bytes } => {
            let part = part.unwrap_or("unknown part");
            let known = if *identified { "" } else { ", not known to the RAM loader" };
            format!("flash {part} ({jedec}), {} KiB{known}", size_bytes / 1024)
        }
        // What a dry run finds is its result.
        Event::Plan { dry_run: true, .. } => return None,
        Event::Plan { unchanged_bytes, erase_bytes, erase_commands, program_bytes, preserved, .. } => {
            plan_text(*unchanged_bytes, *erase_bytes, *erase_commands, *program_bytes, preserved)
        }
        Event::Partition { name, range, table_at, table_age } => {
            format!("partition {name} is {range} by the table at {table_at:#x} (age {table_age})")
        }
        Event::Note { text } => text.clone(),
        Event::RunBound { bound_ms, size_known } => run_bound_text(*bound_ms, *size_known),
        Event::RetryBudget { repeats, resyncs, restarts } => format!(
            "allowed for: {repeats} repeats, {resyncs} lost sessions, {restarts} restarts of the module"
        ),
        Event::Restarted { evidence, left } => format!(
            "the RAM loader is lost ({evidence}): it is started anew, and work goes on where it was ({left} more times at most)"
        ),
        Event::Resumed { right_sectors, torn } => resumed_text(*right_sectors, torn),
        Event::RateLowered(fallback) => fallback.to_string(),
        Event::RateProven { baud_bps, checked_bytes } => {
            format!("{baud_bps} baud is proven: {checked_bytes} bytes went both ways without a fault")
        }
        Event::RateNotProven { tried_bps, kept_bps, reason } => {
            format!("{tried_bps} baud is not proven ({reason}): {kept_bps} baud is kept")
        }
        Event::LinkMeasured { baud_bps, round_trip_us, per_mib_ms } => {
            return link_text(*baud_bps, *round_trip_us, *per_mib_ms);
        }
        Event::Survived(troubles) => format!("overcome on the way: {troubles}"),
        Event::PartChecked { right_bytes, wrong_bytes } => format!(
            "part file: {right_bytes} bytes are those of the flash, {wrong_bytes} were not and are read again"
        ),
        Event::Retry { cause } => format!("trying again: {cause}"),
        Event::Resync { left } => {
            format!("the module did not answer and is being reached again ({left} more times at most)")
        }
        Event::Repair { sectors } => {
            format!("{} did not verify: written again", sectors_text(sectors.len() as u64))
        }
        Event::BurnPlan(plan) => crate::cmd::efuse::plan_text(plan).join("\n"),
        Event::FusesBurnt { offset, bits } => {
            format!("burnt and read back: word {offset:02x}h, bits {bits:08x}")
        }
        Event::Warning { text } => format!("warning: {text}"),
        Event::BootInfo { .. }
        | Event::Upload { .. }
        | Event::Progress { .. }
        | Event::Block { .. }
        | Event::Heard { .. }
        | Event::Verified { .. }
        | Event::ReadBack { .. }
        | Event::ResetByCommand => return None,
    })
}

/// Says what the link costs, where that is worth a word: an FTDI adapter as it comes holds answers back for 16 ms.
fn link_text(baud_bps: u32, round_trip_us: u64, per_mib_ms: u64) -> Option<String> {
    const NOTABLE_US: u64 = 4_000;
    let (trip_ms, cost_s) = (round_trip_us as f64 / 1000.0, per_mib_ms as f64 / 1000.0);
    (round_trip_us >= NOTABLE_US).then(|| {
        format!(
            "link at {baud_bps} baud, an answer takes {trip_ms:.1} ms: that costs {cost_s:.1} s for each MiB that is read (an adapter's latency timer, or a network)"
        )
    })
}

fn run_bound_text(bound_ms: u64, size_known: bool) -> String {
    let seconds = bound_ms.div_ceil(1000);
    let closer = if size_known { "" } else { "; less as soon as the size of the flash is known" };
    format!("whatever goes wrong, this run ends within {seconds} s{closer}")
}

fn resumed_text(right_sectors: u64, torn: &[FlashRange]) -> String {
    match torn {
        [] => format!("checked by hash: all of this step is right ({})", sectors_text(right_sectors)),
        torn => format!(
            "checked by hash: of this step {} right, {} torn and written again",
            sectors_text(right_sectors),
            sectors_text(torn.len() as u64)
        ),
    }
}

/// A number of sectors.
pub(crate) fn sectors_text(count: u64) -> String {
    format!("{count} {}", if count == 1 { "sector" } else { "sectors" })
}

fn bound_text(part: &str, bound_ms: u64) -> String {
    let seconds = bound_ms.div_ceil(1000);
    match part {
        "connect" => format!("connecting, for {seconds} s at most"),
        _ => format!("at work; whatever goes wrong, this ends within {seconds} s"),
    }
}

fn silence_text(span_ms: u64, reason: SilenceReason) -> String {
    let seconds = span_ms as f64 / 1000.0;
    match reason {
        SilenceReason::NoHandshake => format!(
            "no answer yet; perhaps a session that another program left behind is still open: silent for {seconds:.1} s, so that it ends"
        ),
        SilenceReason::BurstLimit => {
            format!("still no answer; a pause of {seconds:.1} s, then handshakes go on")
        }
        SilenceReason::LostStep => format!("silent for {seconds:.1} s, so that the module's session ends"),
    }
}

fn hands_text(wait_ms: u64, can_reset: bool) -> String {
    let tried = if can_reset { " (it was reset through the modem lines: check --wiring)" } else { "" };
    format!(
        "still no answer{tried}: hold BOOT (D28) at 3.3 V and pulse EN low; handshakes go on for {} s",
        wait_ms.div_ceil(1000)
    )
}

fn plan_text(
    unchanged_bytes: u64,
    erase_bytes: u64,
    erase_commands: u64,
    program_bytes: u64,
    preserved: &[FlashRange],
) -> String {
    if erase_bytes + program_bytes == 0 {
        return format!("plan: nothing to do, all {} KiB are right already", unchanged_bytes / 1024);
    }
    let mut text = format!(
        "plan: erase {} KiB in {erase_commands} steps, program {program_bytes} bytes; {} KiB are right already",
        erase_bytes / 1024,
        unchanged_bytes / 1024
    );
    for range in preserved {
        text.push_str(&format!("\nplan: {range} shares a sector with the image: read first, written back"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bl702_flasher::error::{During, Error};
    use bl702_flasher::loader::LoaderError;
    use bl702_flasher::request::Side;
    use bl702_protocol::code::Code;

    fn help(failure: &Failure) -> String {
        failure_lines(failure).join("\n")
    }

    #[test]
    fn a_refused_erase() {
        let during = During {
            side: Side::Loader,
            id: 0x30,
            what: "erase flash",
            range: Some("0x1000..0x2000".parse().unwrap()),
            attempt: 5,
            attempts: 5,
        };
        let kind = ErrorKind::Refused { code: Code(0x0003) };
        let text = help(&Failure::Run(Error::during(kind, during)));
        insta::assert_snapshot!(text, @r"
        error: failed to erase flash at 0x1000..0x2000 (RAM loader, command 30h, attempt 5 of 5): the module answered FL0003 (BFLB_FLASH_ERASE_ERROR)
        likely cause: erasing failed: the flash did not become ready in the time that the RAM loader gives it; a weak supply, or a worn, damaged or protected part
        flash: unchanged by this run
        module: did not answer; its state is not known
        next:  Part of the range may be erased. Check the 3.3 V supply under load, then erase again; if it fails at the same place, the flash is write-protected or worn.
        ");
    }

    #[test]
    fn what_stops_a_command_before_it_begins_says_nothing_of_the_flash() {
        let text = help(&Failure::from(LoaderError::None));
        assert!(!text.contains("flash:"), "{text}");
        assert!(text.contains("bl702-flash loader install"), "{text}");
    }

    #[test]
    fn plans() {
        insta::assert_snapshot!(plan_text(0x3000, 0x2000, 2, 0x1f00, &["0x100..0x200".parse().unwrap()]), @r"
        plan: erase 8 KiB in 2 steps, program 7936 bytes; 12 KiB are right already
        plan: 0x100..0x200 shares a sector with the image: read first, written back
        ");
        insta::assert_snapshot!(plan_text(0x3000, 0, 0, 0, &[]), @"plan: nothing to do, all 12 KiB are right already");
    }

    #[test]
    fn links() {
        assert_eq!(link_text(2_000_000, 430, 49), None);
        insta::assert_snapshot!(link_text(921_600, 16_200, 1_846).unwrap(), @"link at 921600 baud, an answer takes 16.2 ms: that costs 1.8 s for each MiB that is read (an adapter's latency timer, or a network)");
    }

    #[test]
    fn waiting_for_a_person() {
        insta::assert_snapshot!(hands_text(10_000, false), @"still no answer: hold BOOT (D28) at 3.3 V and pulse EN low; handshakes go on for 10 s");
        insta::assert_snapshot!(hands_text(9_500, true), @"still no answer (it was reset through the modem lines: check --wiring): hold BOOT (D28) at 3.3 V and pulse EN low; handshakes go on for 10 s");
        insta::assert_snapshot!(silence_text(4_150, SilenceReason::NoHandshake), @"no answer yet; perhaps a session that another program left behind is still open: silent for 4.2 s, so that it ends");
        insta::assert_snapshot!(bound_text("connect", 118_001), @"connecting, for 119 s at most");
        insta::assert_snapshot!(run_bound_text(1_200_001, false), @"whatever goes wrong, this run ends within 1201 s; less as soon as the size of the flash is known");
        insta::assert_snapshot!(resumed_text(14, &["0x1000..0x2000".parse().unwrap()]), @"checked by hash: of this step 14 sectors right, 1 sector torn and written again");
    }
}
