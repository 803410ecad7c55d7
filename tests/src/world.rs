//! What the steps of one scenario share.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::Error;
use bl702_flasher::event::Event;
use bl702_flasher::flow::{
    Backup, BurnReport, ChangeReport, EraseReport, FuseReport, InfoReport, InstallReport, ResetReport,
    VerifyReport,
};
use bl702_flasher::partition::ModuleTables;
use bl702_flasher::port::PortError;
use bl702_flasher::session::Link;
use bl702_flasher::timing::Timing;
use bl702_protocol::time::Nanos;
use cucumber::event::ScenarioFinished;

use crate::host;
use crate::images;
use crate::programs::Killer;
use crate::report;
use crate::target::{Lacks, Setup, Target, Unready, power_up};
use crate::words::readable;

/// How long a module has been on when its scenario begins.
const STARTED: Nanos = Nanos::from_millis(100);

/// A flow asks this often whether it should stop, and is stopped, before a test that hangs is given up.
const LONGEST_RUN: u32 = 20_000_000;

/// Why a step cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The target cannot do it: the scenario is skipped.
    #[error(transparent)]
    Lacks(#[from] Lacks),
    /// The port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Something is not as the scenario says.
    #[error("{0}")]
    Wrong(String),
}

/// Result of a step.
pub type Step = Result<(), Trouble>;

/// That something is not as the scenario says.
pub fn wrong(text: impl Into<String>) -> Trouble {
    Trouble::Wrong(text.into())
}

/// What a run of the flasher gave.
#[derive(Debug)]
pub enum Done {
    /// `info`
    Info(Box<InfoReport>),
    /// `backup`
    Backup(Backup),
    /// `write`
    Change(ChangeReport),
    /// `erase`
    Erase(EraseReport),
    /// `verify`
    Verify(VerifyReport),
    /// `efuse dump`
    Fuses(FuseReport),
    /// `efuse burn`
    Burn(Box<BurnReport>),
    /// `reset`
    Reset,
    /// `reset --into`
    ResetInto(ResetReport),
    /// `partition show`
    Table(ModuleTables),
    /// `partition install`
    Installed(Box<InstallReport>),
}

/// A run of the flasher that failed, in the words a person reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Exit status of the program.
    pub exit: u8,
    /// What happened.
    pub message: String,
    /// What most probably is behind it.
    pub cause: String,
    /// What the run had overcome before.
    pub troubles: String,
    /// State of the flash.
    pub flash: String,
    /// How the module was left.
    pub module: String,
    /// What to do.
    pub advice: String,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            exit: error.exit_code(),
            message: error.to_string(),
            cause: error.cause().unwrap_or_default(),
            troubles: error.failure().troubles.to_string(),
            flash: error.failure().flash.to_string(),
            module: error.failure().module.to_string(),
            advice: error.advice(),
        }
    }
}

/// How a scenario ended, beyond its steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// How the module was brought to what the scenario begins with.
    pub story: Vec<String>,
    /// All steps were passed.
    pub complete: bool,
    /// What the target cannot do, if that ended the scenario.
    pub lacks: Option<String>,
    /// What is wrong though every step was passed.
    pub failure: Option<String>,
}

/// What the steps of one scenario share.
#[derive(Default, cucumber::World)]
pub struct World {
    /// What the scenario begins with.
    pub setup: Setup,
    target: Option<Box<dyn Target>>,
    /// The rate of the host below the flasher.
    pub baud_bps: u32,
    /// Answers that no step has looked at yet, in order.
    pub answers: Vec<Vec<u8>>,
    /// Settings of the flasher that the scenario changes.
    pub flasher: FlasherSettings,
    /// What the last run of the flasher gave.
    pub run: Option<Result<Done, Failure>>,
    /// What the last run of the flasher reported on its way.
    pub events: Vec<Event>,
    /// The image of the scenario: where it belongs and its bytes.
    pub image: Option<(u32, Vec<u8>)>,
    /// How many fuses the scenario says are burnt.
    pub expected_burns: u32,
    story: Vec<String>,
    lacks: Option<Lacks>,
}

/// Settings of the flasher that a scenario changes.
#[derive(Clone, Debug)]
pub struct FlasherSettings {
    /// Rate for the boot ROM, if it is not the target's.
    pub boot_baud_bps: Option<u32>,
    /// Rate for the RAM loader, if it is not the target's.
    pub baud_bps: Option<u32>,
    /// Whether it has a RAM loader image.
    pub has_loader: bool,
    /// The size of the flash it is told.
    pub flash_size: Option<u32>,
    /// The wiring it is told, if it is not the real one.
    pub wiring: Option<bl702_flasher::reset::Wiring>,
    /// What it is told to be unusual about the adapter.
    pub adapter: bl702_flasher::reset::Adapter,
    /// Whether it looks for the highest rate.
    pub climb: bool,
}

impl Default for FlasherSettings {
    fn default() -> FlasherSettings {
        FlasherSettings {
            boot_baud_bps: None,
            baud_bps: None,
            has_loader: true,
            flash_size: None,
            wiring: None,
            adapter: bl702_flasher::reset::Adapter::default(),
            climb: false,
        }
    }
}

impl World {
    /// The module, powered up at its first use.
    ///
    /// # Errors
    /// [`Trouble::Lacks`]
    pub fn target(&mut self) -> Result<&mut dyn Target, Trouble> {
        if self.target.is_none() {
            let setup = self.setup.clone();
            let target = self.note(power_up(&setup))?;
            let mut target = report::recorded(target, &setup);
            // Nobody meets a module in its first moments, but for who powers it: it has started when the scenario does.
            host::listen(target.port(), STARTED)?;
            self.story = target.story();
            self.target = Some(target);
        }
        Ok(self.target.as_deref_mut().expect("it was just powered up"))
    }

    /// Changes what the scenario begins with.
    ///
    /// # Errors
    /// [`Trouble::Wrong`] when the module is powered already.
    pub fn set_up(&mut self, change: impl FnOnce(&mut Setup)) -> Step {
        if self.target.is_some() {
            return Err(wrong("this must be said before the module is used"));
        }
        change(&mut self.setup);
        Ok(())
    }

    /// Has the target do something that not every target can do.
    ///
    /// # Errors
    /// [`Trouble::Lacks`]
    pub fn need<T, E: Into<Unready>>(
        &mut self,
        ask: impl FnOnce(&mut dyn Target) -> Result<T, E>,
    ) -> Result<T, Trouble> {
        let asked = ask(self.target()?);
        self.note(asked.map_err(Into::into))
    }

    fn note<T>(&mut self, asked: Result<T, Unready>) -> Result<T, Trouble> {
        asked.map_err(|unready| match unready {
            Unready::Lacks(lacks) => {
                self.lacks = Some(lacks.clone());
                Trouble::Lacks(lacks)
            }
            Unready::Failed(reason) => Trouble::Wrong(reason),
        })
    }

    /// What the flash holds now.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn flash(&mut self) -> Result<Vec<u8>, Trouble> {
        self.need(|target| target.flash())
    }

    /// What the flash held when the scenario began.
    ///
    /// # Errors
    /// [`Trouble::Wrong`] when the scenario has not said.
    pub fn first_flash(&mut self) -> Result<Vec<u8>, Trouble> {
        let contents = self.setup.flash.clone();
        let contents = contents.ok_or_else(|| wrong("the scenario has not said what the flash holds"))?;
        let capacity = self.target()?.capacity_bytes();
        Ok(images::padded(&contents, capacity))
    }

    /// Sets the rate of the host below the flasher.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn set_baud(&mut self, baud_bps: u32) -> Step {
        self.baud_bps = baud_bps;
        self.need(|target| target.check_rate(baud_bps))?;
        self.target()?.port().set_baud(baud_bps)?;
        Ok(())
    }

    /// Sends bytes and notes the answer.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn send(&mut self, bytes: &[u8]) -> Step {
        self.send_and_wait(bytes, host::FIRST_BYTE)
    }

    /// Sends bytes and notes the answer, which may take `first` to begin.
    ///
    /// # Errors
    /// [`Trouble`]
    pub fn send_and_wait(&mut self, bytes: &[u8], first: Nanos) -> Step {
        let baud_bps = self.baud_bps;
        if baud_bps == 0 {
            return Err(wrong("the scenario has not said at which rate the host sends"));
        }
        let answer = host::ask(self.target()?.port(), baud_bps, bytes, first)?;
        self.answers.push(answer);
        Ok(())
    }

    /// Runs a flow of the flasher to its end; a success is told apart by `done`.
    ///
    /// # Errors
    /// [`Trouble::Lacks`]
    pub fn flash_with<T, F, R>(&mut self, done: fn(T) -> Done, flow: F) -> Step
    where
        F: FnOnce(Link, Arc<ConnectOptions>) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.flash_and(done, flow, |_| ())
    }

    /// As [`flash_with`](Self::flash_with); `on_event` sees every event when it comes.
    ///
    /// # Errors
    /// [`Trouble::Lacks`]
    pub fn flash_and<T, F, R>(
        &mut self,
        done: fn(T) -> Done,
        flow: F,
        mut on_event: impl FnMut(&Event),
    ) -> Step
    where
        F: FnOnce(Link, Arc<ConnectOptions>) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.events.clear();
        let options = self.connect_options()?;
        if let Err(refused) = options.check() {
            let message = refused.to_string();
            self.run = Some(Err(Failure { exit: 2, message, ..Failure::default() }));
            return Ok(());
        }
        let options = Arc::new(options);
        let baud_bps = options.boot_baud_bps;
        self.need(|target| target.check_rate(options.boot_baud_bps.max(options.baud_bps)))?;
        let target = self.target()?;
        let chip_id = target.chip_id();
        let port = target.port();
        port.set_baud(baud_bps)?;
        let (mut events, mut asked, swapped) = (Vec::new(), 0, Cell::new(false));
        let result = driver::run(
            port,
            baud_bps,
            |link| flow(link, options),
            |_, event| {
                let other = |id: &String| *id != chip_id;
                swapped.set(
                    swapped.get() || matches!(&event, Event::BootInfo { chip_id: Some(id), .. } if other(id)),
                );
                on_event(&event);
                events.push(event);
            },
            || {
                asked += 1;
                asked > LONGEST_RUN || swapped.get()
            },
        );
        if swapped.get() {
            return Err(wrong(format!("the module was swapped: it is not chip {chip_id} any more")));
        }
        self.events = events;
        self.run = Some(result.map(done).map_err(Failure::from));
        Ok(())
    }

    fn connect_options(&mut self) -> Result<ConnectOptions, Trouble> {
        let settings = self.flasher.clone();
        let wiring = settings.wiring.unwrap_or(self.setup.host_wiring());
        let target = self.target()?;
        let (has_lines, rates) = (target.port().has_lines(), target.rates());
        let timing = Timing::default().allowing_for(target.port().round_trip());
        let loader = settings.has_loader.then(|| target.loader());
        Ok(ConnectOptions {
            boot_baud_bps: settings.boot_baud_bps.unwrap_or(rates.boot_baud_bps),
            baud_bps: settings.baud_bps.unwrap_or(rates.baud_bps),
            climb: settings.climb,
            wiring,
            adapter: settings.adapter,
            has_lines,
            loader,
            timing,
            flash_size: settings.flash_size,
        })
    }

    /// What the last run of the flasher gave.
    ///
    /// # Errors
    /// [`Trouble::Wrong`] when it failed, or when there was none.
    pub fn done(&self) -> Result<&Done, Trouble> {
        match &self.run {
            Some(Ok(done)) => Ok(done),
            Some(Err(failure)) => Err(wrong(format!("the flasher failed: {failure:?}"))),
            None => Err(wrong("the flasher was not run")),
        }
    }

    /// How the last run of the flasher failed.
    ///
    /// # Errors
    /// [`Trouble::Wrong`] when it went well, or when there was none.
    pub fn failure(&self) -> Result<&Failure, Trouble> {
        match &self.run {
            Some(Err(failure)) => Ok(failure),
            Some(Ok(done)) => Err(wrong(format!("the flasher went on without an error: {done:?}"))),
            None => Err(wrong("the flasher was not run")),
        }
    }

    /// Something that kills the process the module lives in.
    ///
    /// # Errors
    /// [`Trouble::Lacks`]
    pub fn killer(&mut self) -> Result<Killer, Trouble> {
        self.need(|target| target.killer())
    }

    /// Judges the scenario when its steps are over: the burnt fuses are counted, whatever else it was about.
    pub fn end(&mut self, finished: &ScenarioFinished) -> Ending {
        let complete = matches!(finished, ScenarioFinished::StepPassed);
        let story = std::mem::take(&mut self.story);
        let lacks = self.lacks.as_ref().map(ToString::to_string);
        let expected = self.expected_burns;
        let burnt = match self.target.as_deref_mut().map_or(Ok(0), Target::burnt_fuses) {
            Ok(burnt) => burnt,
            Err(error) => {
                let failure = Some(format!("nobody knows how many fuses were burnt: {error}"));
                return Ending { story, complete, lacks, failure };
            }
        };
        let unseen: Vec<String> = self.answers.iter().map(|answer| readable(answer)).collect();
        let failure = if lacks.is_some() && burnt == 0 {
            None
        } else if burnt != expected {
            Some(format!("{burnt} fuses were burnt, the scenario says {expected}"))
        } else if complete && !unseen.is_empty() {
            Some(format!("no step looked at these answers of the module: {}", unseen.join(", ")))
        } else {
            None
        };
        Ending { story, complete, lacks, failure }
    }
}

/// As much as a person reads: a run may have given a whole flash.
fn beginning(text: String) -> String {
    const MOST: usize = 4_000;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}... and {} bytes more", &text[..end], text.len() - end),
        None => text,
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        match &self.target {
            Some(target) => writeln!(f, "  target: {target:?}")?,
            None => writeln!(f, "  target: not powered up")?,
        }
        writeln!(f, "  host: {} baud", self.baud_bps)?;
        for answer in &self.answers {
            writeln!(f, "  answer that no step looked at: {}", readable(answer))?;
        }
        if let Some(run) = &self.run {
            writeln!(f, "  flasher: {}", beginning(format!("{run:?}")))?;
        }
        for event in &self.events {
            if !matches!(event, Event::Progress { .. }) {
                writeln!(f, "  flasher's event: {event:?}")?;
            }
        }
        Ok(())
    }
}
