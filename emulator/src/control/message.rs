//! Requests and replies: one JSON object a line.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fault::FaultReport;

/// Longest request, line feed included.
pub const REQUEST_LIMIT_BYTES: usize = 65_536;

/// Longest press of the reset button.
pub const LONGEST_PRESS_MS: u32 = 60_000;

/// A level of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// High.
    High,
    /// Low.
    Low,
}

/// What is asked of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Presses the reset button: EN is low for so long, then released. Answered behind the release.
    Reset {
        /// Milliseconds of module time, 1 to [`LONGEST_PRESS_MS`]; 100 if not given.
        #[serde(default = "default_press_ms")]
        ms: u32,
    },
    /// Puts the BOOT pin to a level. It stays there; if it follows a modem line, until that line changes.
    Boot {
        /// High: the next reset leads to the ROM's serial protocol.
        level: Level,
    },
    /// Holds the reset button down, or lets it go.
    Enable {
        /// EN is held low, whatever the modem lines do.
        hold: bool,
    },
    /// Takes the supply away, or gives it back.
    Power {
        /// With supply.
        on: bool,
    },
    /// Arms faults besides those that are armed.
    Fault {
        /// The plan, in TOML.
        plan: String,
    },
    /// The flash, as [`Reply::hex`].
    DumpFlash,
    /// The 128 bytes of fuses, as [`Reply::hex`].
    DumpEfuse,
    /// A [`Status`].
    Status,
    /// From now on a recording of what happens, line by line behind the reply, until the connection ends.
    Trace,
}

fn default_press_ms() -> u32 {
    100
}

/// The answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The bytes of a memory, two lower-case digits each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// SHA-256 of the bytes in [`Reply::hex`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The state of the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<Status>>,
}

impl Reply {
    /// It was done.
    pub fn done() -> Reply {
        Reply { ok: true, ..Reply::default() }
    }

    /// It was not.
    pub fn error(why: impl Into<String>) -> Reply {
        Reply { error: Some(why.into()), ..Reply::default() }
    }
}

/// The state of a module and its port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Process id of the emulator.
    pub pid: u32,
    /// The module's profile.
    pub profile: String,
    /// Seed of all that is left to chance.
    pub seed: u64,
    /// What a client opens.
    pub pty: PathBuf,
    /// The link to it.
    pub link: Option<PathBuf>,
    /// Where RFC 2217 is served.
    pub rfc2217: Option<SocketAddr>,
    /// What runs on the chip, in words.
    pub running: String,
    /// Module time in nanoseconds.
    pub time_ns: u64,
    /// The supply.
    pub power_on: bool,
    /// The EN pin.
    pub enable_high: bool,
    /// The BOOT pin.
    pub boot_high: bool,
    /// The modem line DTR is asserted.
    pub dtr: bool,
    /// The modem line RTS is asserted.
    pub rts: bool,
    /// How often the module has left reset, power-up included.
    pub resets: u64,
    /// Fuses burnt since the module was made.
    pub fuses_burnt: u32,
    /// The host's rate to the module, in bits a second.
    pub send_bps: u32,
    /// The host's rate from the module, in bits a second.
    pub receive_bps: u32,
    /// Bytes from hosts so far.
    pub host_bytes: u64,
    /// Bytes handed to hosts so far.
    pub chip_bytes: u64,
    /// Bytes lost because a host did not read them.
    pub unread_bytes_lost: u64,
    /// How often a host has thrown away what it had not read.
    pub input_flushes: u64,
    /// How many times the pty is open.
    pub opens: u32,
    /// The client that is connected by RFC 2217.
    pub network_client: Option<SocketAddr>,
    /// How often somebody came while the port was in use.
    pub second_clients: u64,
    /// Size of the flash.
    pub flash_bytes: u64,
    /// SHA-256 of what the flash holds.
    pub flash_sha256: String,
    /// What became of the faults that were armed.
    #[serde(default)]
    pub faults: FaultReport,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"command":"reset"}"#, Request::Reset { ms: 100 })]
    #[case(r#"{"command":"reset","ms":5}"#, Request::Reset { ms: 5 })]
    #[case(r#"{"command":"boot","level":"low"}"#, Request::Boot { level: Level::Low })]
    #[case(r#"{"command":"enable","hold":true}"#, Request::Enable { hold: true })]
    #[case(r#"{"command":"power","on":false}"#, Request::Power { on: false })]
    #[case(r#"{"command":"fault","plan":"[[fault]]"}"#, Request::Fault { plan: "[[fault]]".to_owned() })]
    #[case(r#"{"command":"dump-flash"}"#, Request::DumpFlash)]
    #[case(r#"{"command":"dump-efuse"}"#, Request::DumpEfuse)]
    #[case(r#"{"command":"status"}"#, Request::Status)]
    #[case(r#"{"command":"trace"}"#, Request::Trace)]
    fn requests(#[case] line: &str, #[case] request: Request) {
        assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        let again = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&again).unwrap(), request);
    }

    #[rstest]
    #[case::empty("")]
    #[case::no_object("17")]
    #[case::no_command("{}")]
    #[case::unknown(r#"{"command":"burn"}"#)]
    #[case::missing_field(r#"{"command":"boot"}"#)]
    #[case::wrong_type(r#"{"command":"reset","ms":"5"}"#)]
    #[case::negative(r#"{"command":"reset","ms":-1}"#)]
    #[case::misspelt_field(r#"{"command":"reset","msec":5}"#)]
    #[case::two(r#"{"command":"status"}{"command":"status"}"#)]
    fn what_is_no_request(#[case] line: &str) {
        assert!(serde_json::from_str::<Request>(line).is_err());
    }

    #[test]
    fn replies_name_only_what_they_have() {
        assert_eq!(serde_json::to_string(&Reply::done()).unwrap(), r#"{"ok":true}"#);
        assert_eq!(serde_json::to_string(&Reply::error("no")).unwrap(), r#"{"ok":false,"error":"no"}"#);
    }
}
