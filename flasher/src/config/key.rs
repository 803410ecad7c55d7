//! All that can be set.

use super::value;
use crate::timing::TIME_OUTS;

/// How a value is written in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string: a file, as seen from the folder of the configuration.
    File,
    /// An integer, or a string with a unit or a word in it.
    Number,
    /// `true` or `false`.
    Switch,
}

/// Something that can be set.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name; one in the table `[timing]` has that in front.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// A value, as written in TOML, for people to begin with.
    pub example: &'static str,
    /// What holds where nobody says anything; `None` if nothing does, or if it follows from another key.
    pub default: Option<&'static str>,
    /// How it is written.
    pub kind: Kind,
    /// Whether it belongs to a bench and not to a project.
    pub is_local: bool,
    /// A key that, where it is set with more weight, makes this one void: who asks for another wiring does not want the sequence
    /// of the first one.
    pub governed_by: Option<&'static str>,
    /// What may be wrong with a value.
    pub check: fn(&str) -> Result<(), String>,
}

const KEY: Key = Key {
    name: "",
    what: "",
    example: "",
    default: None,
    kind: Kind::Text,
    is_local: false,
    governed_by: None,
    check: value::check_text,
};

/// The keys outside `[timing]`.
const PLAIN: [Key; 12] = [
    Key { name: "port", what: "the port of this bench", example: "\"/dev/ttyUSB0\"", is_local: true, ..KEY },
    Key {
        name: "board",
        what: "board for which `image build` makes images",
        example: "\"xt-zb2\"",
        check: value::check_board,
        ..KEY
    },
    Key {
        name: "loader",
        what: "RAM loader image, as seen from this file",
        example: "\"vendor/eflash_loader_32m.bin\"",
        kind: Kind::File,
        ..KEY
    },
    Key {
        name: "boot_baud",
        what: "rate for the boot ROM",
        example: "500000",
        default: Some("500000"),
        kind: Kind::Number,
        check: value::check_boot_baud,
        ..KEY
    },
    Key {
        name: "baud",
        what: "rate for the RAM loader; \"max\" finds the highest that works",
        example: "2000000",
        default: Some("2000000"),
        kind: Kind::Number,
        check: value::check_baud,
        ..KEY
    },
    Key {
        name: "wiring",
        what: "which modem line drives EN (rts-en, dtr-en, none), or a sequence that leads into ISP",
        example: "\"rts-en\"",
        default: Some("rts-en"),
        check: |text| text.parse::<value::WiringChoice>().map(|_| ()),
        ..KEY
    },
    Key {
        name: "into_firmware",
        what: "a sequence that lets the firmware run",
        example: "\"D1|R1|W0.1|R0\"",
        governed_by: Some("wiring"),
        check: |text| value::sequence(text).map(|_| ()),
        ..KEY
    },
    Key {
        name: "invert_dtr",
        what: "DTR is high at the pin while it is asserted",
        example: "true",
        default: Some("false"),
        kind: Kind::Switch,
        check: |text| value::switch(text).map(|_| ()),
        ..KEY
    },
    Key {
        name: "invert_rts",
        what: "RTS is high at the pin while it is asserted",
        example: "true",
        default: Some("false"),
        kind: Kind::Switch,
        check: |text| value::switch(text).map(|_| ()),
        ..KEY
    },
    Key {
        name: "flash_size",
        what: "size of a flash that the RAM loader does not know",
        example: "\"1MiB\"",
        kind: Kind::Number,
        check: |text| value::size(text).map(|_| ()),
        ..KEY
    },
    Key {
        name: "after",
        what: "what becomes of the module afterwards (reset, stay)",
        example: "\"reset\"",
        default: Some("reset"),
        check: |text| value::after(text).map(|_| ()),
        ..KEY
    },
    Key {
        name: "timing.preset",
        what: "how patient to be (slow, normal, fast)",
        example: "\"normal\"",
        default: Some("normal"),
        check: value::check_pace,
        ..KEY
    },
];

macro_rules! time_outs {
    ($($index:literal $name:literal,)*) => {
        [$(Key {
            name: $name,
            what: TIME_OUTS[$index].what,
            kind: Kind::Number,
            governed_by: Some("timing.preset"),
            check: |text| value::time_out(&TIME_OUTS[$index], text).map(|_| ()),
            ..KEY
        },)*]
    };
}

/// The keys in `[timing]`, in the order of [`TIME_OUTS`].
const TIMED: [Key; TIME_OUTS.len()] = time_outs![
    0 "timing.reset_hold_ms",
    1 "timing.strap_settle_ms",
    2 "timing.reset_to_burst_ms",
    3 "timing.ok_wait_ms",
    4 "timing.quiet_ms",
    5 "timing.jump_to_burst_ms",
    6 "timing.reply_margin_ms",
    7 "timing.wait_s",
];

/// All keys.
pub const KEYS: [Key; PLAIN.len() + TIMED.len()] = {
    let mut keys = [KEY; PLAIN.len() + TIMED.len()];
    let mut index = 0;
    while index < keys.len() {
        keys[index] = if index < PLAIN.len() { PLAIN[index] } else { TIMED[index - PLAIN.len()] };
        index += 1;
    }
    keys
};

/// The key with this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The variable of the environment that sets a key: `BL702_BAUD`, `BL702_TIMING_QUIET_MS`; the preset of waits is plain
/// `BL702_TIMING`.
pub fn environment_name(key: &Key) -> String {
    let name = key.name.strip_suffix(".preset").unwrap_or(key.name);
    format!("BL702_{}", name.replace('.', "_").to_uppercase())
}
