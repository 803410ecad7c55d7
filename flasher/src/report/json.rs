//! One JSON object per line on standard output, the last one `{"event":"finished",...}`.

use bl702_flasher::Nanos;
use bl702_flasher::event::Event;
use serde_json::{Value, json};

use super::{Reporter, print_error, print_line};
use crate::cmd::Outcome;
use crate::failure::Failure;

/// The reporter for programs. Errors are told on standard error too.
#[derive(Debug)]
pub(super) struct Json;

impl Reporter for Json {
    fn started(&mut self, command: &str, port: &str) {
        print_event("started", json!({"command": command, "port": port}));
    }

    fn event(&mut self, at: Nanos, event: &Event) {
        let (name, fields) = event_fields(at, event);
        print_event(&name, fields);
    }

    fn text_to_stderr(&mut self) {}

    fn finished(&mut self, command: &str, result: &Result<Outcome, Failure>) {
        let mut value = match result {
            Ok(outcome) => {
                let mut value = Value::Object(outcome.json.clone());
                value["ok"] = json!(outcome.exit_code == 0);
                value["exit_code"] = json!(outcome.exit_code);
                value
            }
            Err(failure) => {
                print_error(&format!("error: {}", failure.message()));
                failure.to_json()
            }
        };
        value["command"] = json!(command);
        print_event("finished", value);
    }
}

/// The name of an event and its fields.
pub(super) fn event_fields(at: Nanos, event: &Event) -> (String, Value) {
    // Strings, numbers and lists of these cannot fail to serialise.
    let mut value = serde_json::to_value(event).unwrap_or_default();
    value["time_ms"] = json!(at.as_millis());
    let name = value["event"].as_str().unwrap_or_default().to_owned();
    (name, value)
}

/// One line, `event` first, for people who look at it.
pub(crate) fn print_event(name: &str, mut fields: Value) {
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("event");
    }
    let rest = fields.to_string();
    let rest = rest.trim_start_matches('{');
    let comma = if rest == "}" { "" } else { "," };
    print_line(&format!("{{\"event\":{}{comma}{rest}", json!(name)));
}
