//! Lines for people.

use bl702_flasher::Nanos;
use bl702_flasher::event::{Event, SilenceReason};
use bl702_flasher::plan::FlashRange;

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
fn failure_lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("error: {}", failure.message())];
    if let Some(run) = failure.run() {
        lines.push(format!("flash: {}", run.flash));
    }
    lines.push(format!("next:  {}", failure.advice()));
    lines
}

fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Bound { part, bound_ms } => bound_text(part, *bound_ms),
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
        Event::Plan { unchanged_bytes, erase_bytes, erase_commands, program_bytes, preserved } => {
            plan_text(*unchanged_bytes, *erase_bytes, *erase_commands, *program_bytes, preserved)
        }
        Event::Retry { cause } => format!("trying again: {cause}"),
        Event::Resync { left } => {
            format!("the module did not answer and is being reached again ({left} more times at most)")
        }
        Event::Repair { sectors } => {
            format!("{} sectors did not verify and are written again", sectors.len())
        }
        Event::Warning { text } => format!("warning: {text}"),
        Event::BootInfo { .. }
        | Event::Upload { .. }
        | Event::Progress { .. }
        | Event::Verified { .. }
        | Event::ResetByCommand => return None,
    })
}

fn bound_text(part: &str, bound_ms: u64) -> String {
    let seconds = bound_ms.div_ceil(1000);
    match part {
        "connect" => format!("connecting; whatever goes wrong, this ends within {seconds} s"),
        _ => format!("at work; whatever goes wrong, this ends within {seconds} s"),
    }
}

fn silence_text(span_ms: u64, reason: SilenceReason) -> String {
    let seconds = span_ms as f64 / 1000.0;
    match reason {
        SilenceReason::NoHandshake => format!(
            "no answer yet; perhaps a session that another program left behind is still open: silent for {seconds:.1} s, so that it ends"
        ),
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
