//! Why a command failed, as help for the person who ran it.

use std::io;
use std::path::PathBuf;

use bl702_flasher::config::ConfigError;
use bl702_flasher::connect::OptionsError;
use bl702_flasher::error::{Error, ErrorKind, Failure as RunFailure};
use bl702_flasher::loader::LoaderError;
use bl702_flasher::plan::PlanError;
use bl702_flasher::port::PortError;
use serde_json::{Value, json};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The run.
    #[error(transparent)]
    Run(Error),
    /// Found out before anything was sent.
    #[error(transparent)]
    Early(Error),
    /// Options that contradict each other or make no sense.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What would be right.
        hint: &'static str,
    },
    /// Settings in a file or in the environment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What could be done and is not, for safety.
    #[error("{what}")]
    Refused {
        /// What is refused, and why.
        what: String,
        /// How to do it all the same, or what to do instead.
        hint: String,
    },
    /// A file.
    #[error("failed to {action} {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
}

impl Failure {
    pub(crate) fn usage(what: impl Into<String>, hint: &'static str) -> Failure {
        Failure::Usage { what: what.into(), hint }
    }

    /// An input or output file that the system refuses.
    pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str, error: &io::Error) -> Failure {
        let hint = "Check the name, the permissions and the space on the disk.";
        Failure::File { path: path.into(), action, reason: error.to_string(), hint }
    }

    /// Exit status by `DESIGN.md`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Run(error) | Failure::Early(error) => error.exit_code(),
            Failure::Usage { .. } | Failure::Config(_) | Failure::File { .. } => 2,
            Failure::Refused { .. } => 3,
        }
    }

    /// What to do next.
    pub(crate) fn advice(&self) -> String {
        match self {
            Failure::Run(error) | Failure::Early(error) => error.advice(),
            Failure::Config(error) => error.hint.clone(),
            Failure::Usage { hint, .. } | Failure::File { hint, .. } => (*hint).to_owned(),
            Failure::Refused { hint, .. } => hint.clone(),
        }
    }

    /// What most probably is behind it.
    pub(crate) fn cause(&self) -> Option<String> {
        match self {
            Failure::Run(error) | Failure::Early(error) => error.cause(),
            Failure::Usage { .. } | Failure::Config(_) | Failure::File { .. } | Failure::Refused { .. } => {
                None
            }
        }
    }

    /// What is known about the run, if there was one.
    pub(crate) fn run(&self) -> Option<&RunFailure> {
        match self {
            Failure::Run(error) => Some(error.failure()),
            _ => None,
        }
    }

    /// The message with its causes, innermost last.
    pub(crate) fn message(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let part = error.to_string();
            if !text.contains(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            source = error.source();
        }
        text
    }

    /// The fields of the last JSON line.
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "exit_code": self.exit_code(),
            "ok": false,
            "error": self.message(),
            "next_step": self.advice(),
        });
        if let Some(cause) = self.cause() {
            value["cause"] = json!(cause);
        }
        if let Some(run) = self.run() {
            value["flash"] = json!(run.flash);
            if run.fuses.is_touched() {
                value["fuses"] = json!(run.fuses);
            }
            value["module"] = json!(run.module);
            value["troubles"] = json!(run.troubles);
            if let ErrorKind::Different { first, differing_bytes, .. } = &run.kind {
                value["first_difference"] = json!(first);
                value["differing_bytes"] = json!(differing_bytes);
            }
            if let Some(during) = &run.during {
                value["command_id"] = json!(format!("{:02x}", during.id));
                value["side"] = json!(during.side);
                value["range"] = json!(during.range);
                value["attempt"] = json!(during.attempt);
                value["attempts"] = json!(during.attempts);
            }
        }
        value
    }
}

macro_rules! early {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::Early(Error::new(error))
            }
        }
    )*};
}

early!(PortError, LoaderError, PlanError);

impl From<OptionsError> for Failure {
    fn from(error: OptionsError) -> Failure {
        match error {
            OptionsError::Baud(error) => Failure::Early(Error::new(error)),
            OptionsError::Plan(error) => Failure::Early(Error::new(error)),
        }
    }
}
