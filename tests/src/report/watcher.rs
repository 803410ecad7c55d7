//! Writes down the steps of a scenario as cucumber tells of them.

use std::time::SystemTime;

use cucumber::event::{self, StepError};
use cucumber::{Event, Writer, cli, gherkin, parser, writer};

use super::{Outcome, StepLine, with_current};
use crate::world::World;

/// Puts every step into the log of the scenario that runs on this thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watcher {
    number: usize,
    began: Option<SystemTime>,
}

impl Writer<World> for Watcher {
    type Cli = cli::Empty;

    async fn handle_event(&mut self, event: parser::Result<Event<event::Cucumber<World>>>, _: &cli::Empty) {
        use event::{Cucumber, Feature, Rule};
        let Ok(event) = event else { return };
        // When it happened; it is told of when the step is over and the runner waits.
        let at = event.at;
        let Cucumber::Feature(_, event) = event.into_inner() else { return };
        match event {
            Feature::Scenario(_, scenario) | Feature::Rule(_, Rule::Scenario(_, scenario)) => {
                self.scenario(scenario.event, at);
            }
            _ => {}
        }
    }
}

/// One scenario runs at a time, so its events come in order as they are.
impl writer::Normalized for Watcher {}

impl Watcher {
    fn scenario(&mut self, event: event::Scenario<World>, at: SystemTime) {
        match event {
            event::Scenario::Background(step, event) | event::Scenario::Step(step, event) => {
                self.step(&step, event, at);
            }
            _ => {}
        }
    }

    fn step(&mut self, step: &gherkin::Step, event: event::Step<World>, at: SystemTime) {
        let (verdict, message) = match event {
            event::Step::Started => {
                self.number += 1;
                self.began = Some(at);
                return;
            }
            event::Step::Passed(..) => (Outcome::Passed, String::new()),
            event::Step::Skipped => (Outcome::Skipped, String::new()),
            event::Step::Failed(_, _, _, error) => (Outcome::Failed, told(&error)),
        };
        let line = StepLine {
            number: self.number,
            keyword: step.keyword.trim().to_owned(),
            text: step.value.clone(),
            verdict,
            duration_us: self
                .began
                .and_then(|began| at.duration_since(began).ok())
                .unwrap_or_default()
                .as_micros() as u64,
            message,
        };
        // A full disk must not fail a scenario; the missing lines show in the report.
        with_current(|log| log.step(line).ok());
    }
}

fn told(error: &StepError) -> String {
    match error {
        StepError::Panic(info) => info
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| info.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| error.to_string()),
        _ => error.to_string(),
    }
}
