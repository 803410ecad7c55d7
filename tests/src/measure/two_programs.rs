//! `bl702-emu run` and `bl702-flash` as two processes with a pty between them.

use std::time::Duration;

use serde_json::Value;

use super::Stopwatch;
use crate::images;
use crate::programs::{Serving, run};
use crate::workbench::Workbench;

/// A module that is served, and the folder in which the flasher runs against it. `flash.raw` is its flash.
#[derive(Debug)]
pub struct TwoPrograms {
    /// The folder.
    pub folder: Workbench,
    serving: Serving,
    fuses: Vec<u8>,
}

/// A run of the flasher.
#[derive(Debug)]
pub struct Took {
    /// From before its start to after its end.
    pub wall: Duration,
    /// What it said, one event a line.
    pub events: Vec<Value>,
}

impl Took {
    /// Milliseconds from the program's start to the first or the last event for which `is` holds; whole ones.
    ///
    /// # Panics
    /// If there was none.
    pub fn at_ms(&self, which: Which, is: impl Fn(&Value) -> bool) -> f64 {
        let mut found = self.events.iter().filter(|event| is(event));
        let event = match which {
            Which::First => found.next(),
            Which::Last => found.next_back(),
        };
        event.and_then(|event| event["time_ms"].as_f64()).expect("the flasher told no such thing")
    }

    /// Milliseconds from the identification of the flash to the last byte of a phase.
    ///
    /// # Panics
    /// If there was no such phase.
    pub fn work_ms(&self, phase: &str) -> f64 {
        self.at_ms(Which::Last, |event| event["phase"] == phase)
            - self.at_ms(Which::First, |event| event["event"] == "flash")
    }
}

/// Which of several events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// The last.
    Last,
}

impl TwoPrograms {
    /// Serves a module with this flash; `options` are `bl702-emu run`'s.
    ///
    /// # Panics
    /// If it is not served.
    pub fn new(flash: &[u8], options: &[&str]) -> TwoPrograms {
        let folder = Workbench::new();
        folder.put("flash.raw", flash);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let files = [["--flash", "flash.raw"], ["--efuse", "efuse.raw"], ["--link", "port"]];
        let named = files.iter().flat_map(|[option, name]| [(*option).to_owned(), file(name)]);
        let serving = Serving::start(named.chain(options.iter().map(|option| (*option).to_owned())));
        let fuses = folder.read("efuse.raw");
        TwoPrograms { folder, serving, fuses }
    }

    /// The emulator's process.
    pub fn emulator_id(&self) -> u32 {
        self.serving.id()
    }

    /// Runs the flasher, with settings from its environment besides.
    ///
    /// # Panics
    /// If it fails, or a fuse was burnt.
    pub fn flash(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Took {
        let mut command = self.folder.flasher();
        command.envs(settings.iter().copied());
        command.args(["--port", "port", "--format", "json", "--loader"]).arg(images::made_up_loader());
        command.args(arguments);
        let watch = Stopwatch::start();
        let ended = run(&mut command);
        let wall = watch.elapsed();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {said}{}", ended.stderr);
        assert!(self.folder.read("efuse.raw") == self.fuses, "fuses were burnt");
        let events = said.lines().map(|line| serde_json::from_str(line).expect("one event a line"));
        Took { wall, events: events.collect() }
    }
}
