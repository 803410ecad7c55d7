//! Telling what goes on: a bar and lines for people, or JSON for programs.

mod bar;
mod json;
mod text;
pub(crate) mod units;

use std::io::{self, Write};

pub(crate) use json::print_event;
pub(crate) use text::sectors_text;

use bl702_flasher::Nanos;
use bl702_flasher::event::Event;

use crate::cmd::Outcome;
use crate::failure::Failure;

/// Where events and results go.
pub(crate) trait Reporter {
    /// A command begins.
    fn started(&mut self, command: &str, port: &str);

    /// Something happened, at this time of the port's clock.
    fn event(&mut self, at: Nanos, event: &Event);

    /// Standard output holds data, so text goes to standard error from now on.
    fn text_to_stderr(&mut self);

    /// The command is done.
    fn finished(&mut self, command: &str, result: &Result<Outcome, Failure>);
}

/// Tells nothing, where only the end counts.
#[derive(Debug)]
pub(crate) struct Quiet;

impl Reporter for Quiet {
    fn started(&mut self, _command: &str, _port: &str) {}

    fn event(&mut self, _at: Nanos, _event: &Event) {}

    fn text_to_stderr(&mut self) {}

    fn finished(&mut self, _command: &str, _result: &Result<Outcome, Failure>) {}
}

/// The reporter that a person or program asked for.
pub(crate) fn for_format(format: crate::cmd::Format) -> Box<dyn Reporter> {
    match format {
        crate::cmd::Format::Text => Box::new(text::Text::new()),
        crate::cmd::Format::Json => Box::new(json::Json),
    }
}

/// Tells something worth knowing before the work begins.
pub(crate) fn note(reporter: &mut dyn Reporter, text: impl Into<String>) {
    reporter.event(Nanos::ZERO, &Event::Note { text: text.into() });
}

/// Tells something that is not as it should be, before the work begins.
pub(crate) fn warn(reporter: &mut dyn Reporter, text: impl Into<String>) {
    reporter.event(Nanos::ZERO, &Event::Warning { text: text.into() });
}

/// A line on standard output. That nobody reads it any more does not change what the module has got.
pub(crate) fn print_line(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// A line on standard error.
pub(crate) fn print_error(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
