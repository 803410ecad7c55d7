//! Settings: what a project, a person's own bench, the environment and the command line say, and who wins.
//!
//! | what | where it comes from |
//! |---|---|
//! | `bl702.toml` | the project's; searched for from the working folder upwards; to be shared |
//! | `bl702.local.toml` | beside it; this bench's ports and what is special about them; not to be shared |
//! | `BL702_PORT` and the like | the environment |
//! | command line | wins over all |
//!
//! A [`Settings`] is a pile of [`Layer`]s; [`Settings::value`] gives a value together with its [`Origin`]. Reading them
//! touches no port. [`KEYS`] is the list of all that can be set.

mod error;
mod example;
mod file;
mod find;
mod key;
mod layer;
mod value;

pub use error::ConfigError;
pub use example::{GIT_IGNORE_HINT, example};
pub use file::{ConfigFile, FileKind, ImageEntry, PortSection};
pub use find::{Found, LOCAL_FILE, PROJECT_FILE, find, from_file};
pub use key::{KEYS, Key, Kind, environment_name};
pub use layer::{Layer, Origin, Settings, Value};
pub use value::{MOST_BAUD_BPS, WiringChoice};

#[cfg(test)]
mod tests;
