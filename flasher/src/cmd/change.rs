//! What commands that change the flash have in common: their options, and what they say was done or would be.

use bl702_flasher::flow::{ChangeMode, ChangeReport};
use bl702_flasher::plan::{ChangePlan, FlashRange, join};
use serde_json::{Value, json};

/// Ranges of one kind that are listed; more are counted.
const LISTED: usize = 12;

#[derive(Debug, clap::Args)]
pub(crate) struct DryRun {
    /// Only compare and tell what would be done; nothing is changed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HowToVerify {
    /// How the result is verified: sha256 by the module's own hash; readback reads every byte back, too
    #[arg(long, value_name = "HOW", default_value = "sha256")]
    verify: Verification,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Verification {
    Sha256,
    Readback,
}

impl DryRun {
    pub(crate) fn mode(&self, verify: Option<&HowToVerify>) -> ChangeMode {
        let readback = verify.is_some_and(|how| how.verify == Verification::Readback);
        ChangeMode { dry_run: self.dry_run, readback }
    }
}

/// What had to be done, or would have to be, in words.
pub(super) fn change_text(report: &ChangeReport) -> Vec<String> {
    if report.dry_run {
        return plan_text(&report.plan);
    }
    let mut text = vec![done_text(report)];
    if report.readback_bytes > 0 {
        text.push(format!("{} bytes read back and compared, all the same", report.readback_bytes));
    }
    text
}

fn done_text(report: &ChangeReport) -> String {
    let repaired = match report.repaired_sectors {
        0 => String::new(),
        sectors => format!(", {} written more than once", crate::report::sectors_text(sectors)),
    };
    if report.erased_bytes + report.programmed_bytes == 0 {
        return "the flash held all of it already".to_owned();
    }
    format!(
        "{} KiB erased, {} bytes programmed, {} KiB were right already{repaired}",
        report.erased_bytes / 1024,
        report.programmed_bytes,
        report.unchanged_bytes / 1024
    )
}

/// A plan that is not carried out.
pub(super) fn plan_text(plan: &ChangePlan) -> Vec<String> {
    if plan.is_empty() && !plan.chip_erase {
        return vec!["dry run: nothing to do, the flash holds all of it already".to_owned()];
    }
    let mut text = vec!["dry run, nothing was changed; this would be done:".to_owned()];
    let kib = plan.erase_bytes() / 1024;
    if plan.chip_erase {
        text.push(format!("erase      the whole flash by one command; {kib} KiB of it hold something"));
    } else if !plan.erase.is_empty() {
        let commands = plan.erase.len();
        let commands = if commands == 1 { "one command".to_owned() } else { format!("{commands} commands") };
        text.push(format!("erase      {} ({kib} KiB, {commands})", list(&plan.erase)));
    }
    if !plan.program.is_empty() {
        text.push(format!("program    {} ({} bytes)", list(&plan.program), plan.program_bytes()));
    }
    if !plan.preserved.is_empty() {
        let kept = list(&plan.preserved);
        text.push(format!("keep       {kept} (shares a sector: read first, written back)"));
    }
    if !plan.chip_erase {
        text.push(format!("leave      {} KiB that are right already", plan.unchanged_bytes / 1024));
    }
    text.push(format!("time       about {}, verification included", span_text(plan.estimate_ms)));
    text
}

/// Ranges, joined where they touch.
fn list(ranges: &[FlashRange]) -> String {
    let mut ranges = ranges.to_vec();
    ranges.sort();
    let joined = join(ranges);
    let more = joined.len().saturating_sub(LISTED);
    let mut text: Vec<String> = joined.iter().take(LISTED).map(ToString::to_string).collect();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

fn span_text(millis: u64) -> String {
    match millis {
        0..10_000 => format!("{:.1} s", millis as f64 / 1000.0),
        10_000..120_000 => format!("{} s", millis.div_ceil(1000)),
        _ => format!("{} min", millis.div_ceil(60_000)),
    }
}

/// A piece that was written or verified, or would be, with its SHA-256.
pub(super) fn piece_text(piece: &bl702_flasher::flow::PieceReport, what: &str) -> String {
    let name = piece.partition.as_ref().map(|name| format!("{name} at ")).unwrap_or_default();
    format!("{name}{}: {} bytes {what}, SHA-256 {}", piece.range, piece.range.len(), piece.sha256)
}

/// What had to be done, for programs.
pub(super) fn change_json(report: &ChangeReport) -> Value {
    json!({
        "pieces": report.pieces,
        "unchanged_bytes": report.unchanged_bytes,
        "erased_bytes": report.erased_bytes,
        "programmed_bytes": report.programmed_bytes,
        "repaired_sectors": report.repaired_sectors,
        "readback_bytes": report.readback_bytes,
        "dry_run": report.dry_run,
        "plan": report.plan,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> Vec<FlashRange> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn plans_in_words() {
        let plan = ChangePlan {
            unchanged_bytes: 0xF000,
            chip_erase: false,
            erase: ranges(&["0x10000..0x20000", "0x20000..0x21000", "0x3000..0x4000"]),
            program: ranges(&["0x3000..0x3100", "0x10000..0x20f00"]),
            preserved: ranges(&["0x20f10..0x21000"]),
            estimate_ms: 2_345,
        };
        insta::assert_snapshot!(plan_text(&plan).join("\n"), @r"
        dry run, nothing was changed; this would be done:
        erase      0x3000..0x4000, 0x10000..0x21000 (72 KiB, 3 commands)
        program    0x3000..0x3100, 0x10000..0x20f00 (69632 bytes)
        keep       0x20f10..0x21000 (shares a sector: read first, written back)
        leave      60 KiB that are right already
        time       about 2.3 s, verification included
        ");
        let chip = ChangePlan { chip_erase: true, estimate_ms: 7_181, ..plan };
        insta::assert_snapshot!(plan_text(&ChangePlan { program: vec![], preserved: vec![], ..chip }).join("\n"), @r"
        dry run, nothing was changed; this would be done:
        erase      the whole flash by one command; 72 KiB of it hold something
        time       about 7.2 s, verification included
        ");
        insta::assert_snapshot!(plan_text(&ChangePlan::default()).join("\n"), @"dry run: nothing to do, the flash holds all of it already");
    }

    #[test]
    fn spans() {
        let texts = [181, 9_940, 10_001, 125_000].map(span_text);
        assert_eq!(texts, ["0.2 s", "9.9 s", "11 s", "3 min"]);
    }

    #[test]
    fn long_lists_are_counted() {
        let many: Vec<FlashRange> =
            (0..20).map(|at| FlashRange::with_len(at * 0x2000, 0x1000).unwrap()).collect();
        assert!(list(&many).ends_with("0x16000..0x17000, and 8 more"), "{}", list(&many));
    }
}
