//! Progress: a bar with rate and time left on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;

use bl702_flasher::Nanos;
use bl702_flasher::event::Phase;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::print_error;

/// How a phase is called.
fn label(phase: Phase) -> &'static str {
    match phase {
        Phase::Upload => "uploading the RAM loader",
        Phase::Load => "loading the image into RAM",
        Phase::Read => "reading",
        Phase::Compare => "comparing",
        Phase::Erase => "erasing",
        Phase::Program => "programming",
        Phase::Verify => "verifying",
        Phase::ReadBack => "reading back",
    }
}

/// Progress of phases, which may alternate.
///
/// Rate and time left are those of the port's clock, which for an emulated module is not the wall clock.
#[derive(Debug)]
pub(super) struct Progress {
    on_terminal: bool,
    phases: Vec<Running>,
    bar: Option<(Phase, ProgressBar)>,
    /// One of several modules: its name, and the bars of all.
    unit: Option<(String, MultiProgress)>,
}

#[derive(Debug)]
struct Running {
    phase: Phase,
    total_bytes: u64,
    done_bytes: u64,
    /// When it was first heard of, and how much was done then.
    began: Nanos,
    began_bytes: u64,
    told_quarters: u64,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { on_terminal: std::io::stderr().is_terminal(), phases: Vec::new(), bar: None, unit: None }
    }

    /// Progress of one of several modules, which has one line for all its phases.
    pub(super) fn of_unit(name: String, bars: MultiProgress) -> Progress {
        Progress { unit: Some((name, bars)), ..Progress::new() }
    }

    /// So many bytes of a phase are done at time `at`.
    pub(super) fn update(&mut self, at: Nanos, phase: Phase, done_bytes: u64, total_bytes: u64) {
        // The same phase with another length, or from the start again, is another run of it.
        let goes_on = |running: &Running| {
            running.phase == phase && running.total_bytes == total_bytes && running.done_bytes <= done_bytes
        };
        if !self.phases.iter().any(goes_on) {
            self.phases.retain(|running| running.phase != phase);
            let began_bytes = done_bytes;
            let running =
                Running { phase, total_bytes, done_bytes, began: at, began_bytes, told_quarters: 0 };
            self.phases.push(running);
        }
        let Some(running) = self.phases.iter_mut().find(|running| running.phase == phase) else { return };
        running.done_bytes = done_bytes;
        if self.on_terminal {
            self.draw(at, phase);
        } else {
            let name = self.unit.as_ref().map_or(String::new(), |(name, _)| format!("{name}: "));
            running.tell(at, &name);
        }
    }

    fn draw(&mut self, at: Nanos, phase: Phase) {
        let Some(index) = self.phases.iter().position(|running| running.phase == phase) else { return };
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != phase) {
            self.bar = Some((phase, self.bar_of(phase, self.phases[index].total_bytes)));
        }
        let running = &self.phases[index];
        if let Some((_, bar)) = &self.bar {
            bar.set_length(running.total_bytes);
            bar.set_message(running.pace(at));
            bar.set_position(running.done_bytes);
        }
        if running.done_bytes == running.total_bytes && self.unit.is_none() {
            self.end();
        }
    }

    /// A bar for a phase, instead of the one before.
    fn bar_of(&mut self, phase: Phase, total_bytes: u64) -> ProgressBar {
        let before = self.bar.take().map(|(_, bar)| bar);
        match (&self.unit, before) {
            (Some((name, _)), Some(bar)) => {
                bar.set_prefix(format!("{name} {}", label(phase)));
                bar.set_message("");
                bar
            }
            (Some((name, bars)), None) => bars.add(new_bar(format!("{name} {}", label(phase)), total_bytes)),
            (None, before) => {
                if let Some(bar) = before {
                    bar.finish_and_clear();
                }
                new_bar(label(phase).to_owned(), total_bytes)
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Writes a line on standard error without disturbing the bar.
    pub(super) fn line(&self, line: &str) {
        match (&self.unit, &self.bar) {
            (Some((_, bars)), _) => bars.suspend(|| print_error(line)),
            (None, Some((_, bar))) => bar.suspend(|| print_error(line)),
            (None, None) => print_error(line),
        }
    }
}

impl Running {
    fn pace(&self, at: Nanos) -> String {
        let left_bytes = self.total_bytes - self.done_bytes.min(self.total_bytes);
        pace_text(at.since(self.began), self.done_bytes - self.began_bytes, left_bytes)
    }

    /// A line at a quarter, a half, three quarters of what takes long, and at the end.
    fn tell(&mut self, at: Nanos, name: &str) {
        const LONG_BYTES: u64 = 128 * 1024;
        let quarters = self.done_bytes * 4 / self.total_bytes.max(1);
        if quarters == self.told_quarters || (self.total_bytes < LONG_BYTES && quarters < 4) {
            return;
        }
        self.told_quarters = quarters;
        let percent = self.done_bytes * 100 / self.total_bytes.max(1);
        print_error(&format!(
            "{name}{} {percent} % of {} bytes{}",
            label(self.phase),
            self.total_bytes,
            self.pace(at)
        ));
    }
}

fn new_bar(prefix: String, total_bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr());
    let template = "{prefix:<24} [{bar:32}] {bytes}/{total_bytes}{msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(prefix);
    bar
}

/// Rate and time left, once there is enough to tell.
fn pace_text(elapsed: Nanos, done_bytes: u64, left_bytes: u64) -> String {
    if elapsed < Nanos::from_millis(50) || done_bytes == 0 {
        return String::new();
    }
    let per_second = done_bytes as f64 / elapsed.as_secs_f64();
    let rate = format!(", {:.0} KiB/s", per_second / 1024.0);
    if left_bytes == 0 { rate } else { format!("{rate}, {:.0} s left", left_bytes as f64 / per_second) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left() {
        assert_eq!(pace_text(Nanos::from_millis(10), 10, 90), "");
        assert_eq!(pace_text(Nanos::from_secs(2), 204_800, 843_776), ", 100 KiB/s, 8 s left");
        assert_eq!(pace_text(Nanos::from_secs(2), 204_800, 0), ", 100 KiB/s");
    }

    #[test]
    fn phases_that_alternate_keep_their_own_count() {
        let mut progress = Progress { on_terminal: false, phases: Vec::new(), bar: None, unit: None };
        progress.update(Nanos::from_secs(1), Phase::Erase, 10, 20);
        progress.update(Nanos::from_secs(2), Phase::Program, 5, 50);
        progress.update(Nanos::from_secs(3), Phase::Erase, 20, 20);
        assert_eq!(progress.phases.len(), 2);
        let erase = progress.phases.iter().find(|running| running.phase == Phase::Erase).unwrap();
        assert_eq!((erase.began, erase.done_bytes), (Nanos::from_secs(1), 20));
        // A repair erases again, from the start.
        progress.update(Nanos::from_secs(4), Phase::Erase, 4, 4);
        let erase = progress.phases.iter().find(|running| running.phase == Phase::Erase).unwrap();
        assert_eq!((erase.began, erase.total_bytes), (Nanos::from_secs(4), 4));
    }
}
