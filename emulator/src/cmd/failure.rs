//! Why a subcommand did not do its work, as a person is told, and the exit code.

use std::fmt;
use std::process::ExitCode;

use bl702_emulator::profile::ProfileError;
use bl702_emulator::transport::held_file::HeldFileError;
use bl702_emulator::transport::link::LinkError;
use bl702_emulator::transport::record::RecordError;
use bl702_emulator::transport::serve::ServeError;

/// Which of the exit codes of `DESIGN.md` a failure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 1: the machine, the link or the module failed.
    Failed,
    /// 2: usage or an input file.
    Usage,
}

/// A failure with what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    what: String,
    advice: String,
}

impl Failure {
    /// The machine, the link or the module failed.
    pub(crate) fn failed(what: impl fmt::Display, advice: impl Into<String>) -> Failure {
        Failure { kind: Kind::Failed, what: what.to_string(), advice: advice.into() }
    }

    /// Wrong usage or an input file that cannot be used.
    pub(crate) fn usage(what: impl fmt::Display, advice: impl Into<String>) -> Failure {
        Failure { kind: Kind::Usage, what: what.to_string(), advice: advice.into() }
    }

    /// Tells the user on stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.advice) }
    }
}

impl From<HeldFileError> for Failure {
    fn from(error: HeldFileError) -> Failure {
        let advice = match &error {
            HeldFileError::Size { .. } => {
                "name another file, or choose a --profile whose flash has that size; an absent file is made erased"
            }
            HeldFileError::InUse { .. } => {
                "stop the other bl702-emu, or give each its own file (`--count` does)"
            }
            HeldFileError::NotAFile { .. } => {
                "give the path of a raw image, or of a file that does not exist yet"
            }
            HeldFileError::Io { doing: "writing", .. } => {
                return Failure::failed(
                    error,
                    "what the emulated memory holds could not be kept; free some space and start again",
                );
            }
            HeldFileError::Io { .. } => {
                "the file must be readable and writable, and its directory must exist"
            }
        };
        Failure::usage(error, advice)
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Failure {
        match &error {
            RecordError::NotARecording { .. } => {
                Failure::usage(error, "remove it, or give another name to --record")
            }
            RecordError::InUse { .. } => Failure::usage(error, "give another name to --record"),
            RecordError::Io { doing: "writing", .. } => {
                Failure::failed(error, "free some space and start again")
            }
            RecordError::Io { .. } => Failure::usage(error, "its directory must exist and be writable"),
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Failure {
        let advice = match &error {
            LinkError::Occupied { .. } => "remove it if nobody needs it, or choose another --link",
            LinkError::Io { .. } => "its directory must exist and be writable",
        };
        Failure::usage(error, advice)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        match error {
            ServeError::Memory(error) => error.into(),
            ServeError::Record(error) => error.into(),
            ServeError::Pty(error) => Failure::failed(
                error,
                "a pty needs /dev/ptmx, a mounted /dev/pts, and fewer in use than /proc/sys/kernel/pty/max allows",
            ),
            ServeError::Wait(error) => Failure::failed(ServeError::Wait(error), ""),
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Failure {
        Failure::usage(error, "a profile is one of the built-in names or the path of a TOML file")
    }
}
