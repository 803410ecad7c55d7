//! Progress: a bar with rate and time left on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;

use bl702_flasher::Nanos;
use bl702_flasher::event::Phase;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::print_error;

/// How a phase is called.
fn label(phase: Phase) -> &'static str {
    match phase {
        Phase::Upload => "uploading the RAM loader",
        Phase::Read => "reading",
        Phase::Compare => "comparing",
        Phase::Erase => "erasing",
        Phase::Program => "programming",
        Phase::Verify => "verifying",
    }
}

/// Progress of one phase after the other.
///
/// Rate and time left are those of the port's clock, which for an emulated module is not the wall clock.
#[derive(Debug)]
pub(super) struct Progress {
    on_terminal: bool,
    now: Option<Current>,
}

#[derive(Debug)]
struct Current {
    phase: Phase,
    total_bytes: u64,
    began: Nanos,
    bar: Option<ProgressBar>,
    told_tenths: u64,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { on_terminal: std::io::stderr().is_terminal(), now: None }
    }

    /// So many bytes of a phase are done at time `at`.
    pub(super) fn update(&mut self, at: Nanos, phase: Phase, done_bytes: u64, total_bytes: u64) {
        let same = self.now.as_ref().is_some_and(|now| (now.phase, now.total_bytes) == (phase, total_bytes));
        if !same {
            self.end();
            let bar = self.on_terminal.then(|| new_bar(phase, total_bytes));
            self.now = Some(Current { phase, total_bytes, began: at, bar, told_tenths: 0 });
        }
        let Some(now) = &mut self.now else { return };
        match &now.bar {
            Some(bar) => {
                bar.set_message(pace_text(at.since(now.began), done_bytes, total_bytes));
                bar.set_position(done_bytes);
            }
            None => now.tell(done_bytes, at),
        }
        if done_bytes == total_bytes {
            self.end();
        }
    }

    /// Takes the bar away, so that lines can be written.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.now.take().and_then(|now| now.bar) {
            bar.finish_and_clear();
        }
    }

    /// Writes a line on standard error without disturbing the bar.
    pub(super) fn line(&self, line: &str) {
        match self.now.as_ref().and_then(|now| now.bar.as_ref()) {
            Some(bar) => bar.suspend(|| print_error(line)),
            None => print_error(line),
        }
    }
}

impl Current {
    /// A line at a quarter, a half, three quarters and the end of what takes long.
    fn tell(&mut self, done_bytes: u64, at: Nanos) {
        const LONG_BYTES: u64 = 64 * 1024;
        let quarters = done_bytes * 4 / self.total_bytes.max(1);
        if quarters == self.told_tenths || (self.total_bytes < LONG_BYTES && quarters < 4) {
            return;
        }
        self.told_tenths = quarters;
        let pace = pace_text(at.since(self.began), done_bytes, self.total_bytes);
        let percent = done_bytes * 100 / self.total_bytes.max(1);
        print_error(&format!("{} {percent} % of {} bytes{pace}", label(self.phase), self.total_bytes));
    }
}

fn new_bar(phase: Phase, total_bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr());
    let template = "{prefix:<24} [{bar:32}] {bytes}/{total_bytes}{msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(label(phase));
    bar
}

/// Rate and time left, once there is enough to tell.
fn pace_text(elapsed: Nanos, done_bytes: u64, total_bytes: u64) -> String {
    if elapsed < Nanos::from_millis(50) || done_bytes == 0 {
        return String::new();
    }
    let per_second = done_bytes as f64 / elapsed.as_secs_f64();
    let left = (total_bytes - done_bytes.min(total_bytes)) as f64 / per_second;
    let rate = format!(", {:.0} KiB/s", per_second / 1024.0);
    if done_bytes >= total_bytes { rate } else { format!("{rate}, {left:.0} s left") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left() {
        assert_eq!(pace_text(Nanos::from_millis(10), 10, 100), "");
        assert_eq!(pace_text(Nanos::from_secs(2), 204_800, 1_048_576), ", 100 KiB/s, 8 s left");
        assert_eq!(pace_text(Nanos::from_secs(2), 204_800, 204_800), ", 100 KiB/s");
    }
}
