//! How long the host waits, in three presets.
//!
//! The chip's own times are fixed (ROM reference 1.2, loader reference 2 and 5); the presets differ in what they
//! allow for adapters, hubs and a chip that is slower than typical.

use bl702_protocol::chip::BL702;
use bl702_protocol::time::Nanos;

/// Silence after which the loader has surely left its session: two receive time-outs of 2 s, 3.9 s is too short and
/// 4.1 s is enough (loader reference 5). It covers the ROM's 2 s as well (ROM reference 1.2).
pub const SESSION_END_SILENCE: Nanos = Nanos::from_millis(4_150);

/// Length of a handshake burst. The loader's auto-baud is armed 2.0 ms out of every 2.9 ms, the ROM's 2 ms out of
/// about 3; 3 ms always meets a window, and stays far from the 13 ms after which surplus 55h costs the session.
pub const BURST: Nanos = Nanos::from_millis(BL702.sync_ms);

/// A preset, as named on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// For bad adapters, hubs and networks: everything waits longer.
    Slow,
    /// For usual USB adapters.
    #[default]
    Normal,
    /// For a good adapter on a short cable.
    Fast,
}

/// The waits of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// EN is held low this long.
    pub reset_hold: Nanos,
    /// BOOT is high this long before EN is released (100 ms in the vendor's tools). The ROM samples it when it has started,
    /// 1 ms or more behind that.
    pub strap_settle: Nanos,
    /// From the release of EN to the first burst.
    pub reset_to_burst: Nanos,
    /// From the end of a burst until `OK` must have come (chip: at most 13 ms after the first byte).
    pub ok_wait: Nanos,
    /// The line must be quiet this long after `OK` before the first frame. The loader loses a frame in the first
    /// 0.5 ms and discards input for 1 ms, so no preset goes below 3 ms.
    pub quiet: Nanos,
    /// From the start of the RAM loader to its first burst (the vendor waits 300 ms, others 400 to 900 ms).
    pub jump_to_burst: Nanos,
    /// What a reply may take beyond the time the chip needs.
    pub reply_margin: Nanos,
    /// How long to go on asking for a handshake while a person resets the module.
    pub hands: Nanos,
}

impl Timing {
    /// The waits of a preset.
    pub const fn of(pace: Pace) -> Timing {
        match pace {
            Pace::Slow => Timing {
                reset_hold: Nanos::from_millis(200),
                strap_settle: Nanos::from_millis(200),
                reset_to_burst: Nanos::from_millis(200),
                ok_wait: Nanos::from_millis(400),
                quiet: Nanos::from_millis(60),
                jump_to_burst: Nanos::from_millis(600),
                reply_margin: Nanos::from_millis(2_000),
                hands: Nanos::from_secs(30),
            },
            Pace::Normal => Timing {
                reset_hold: Nanos::from_millis(20),
                strap_settle: Nanos::from_millis(30),
                reset_to_burst: Nanos::from_millis(30),
                ok_wait: Nanos::from_millis(100),
                quiet: Nanos::from_millis(20),
                jump_to_burst: Nanos::from_millis(60),
                reply_margin: Nanos::from_millis(700),
                hands: Nanos::from_secs(10),
            },
            Pace::Fast => Timing {
                reset_hold: Nanos::from_millis(10),
                strap_settle: Nanos::from_millis(20),
                reset_to_burst: Nanos::from_millis(20),
                ok_wait: Nanos::from_millis(40),
                quiet: Nanos::from_millis(3),
                jump_to_burst: Nanos::from_millis(60),
                reply_margin: Nanos::from_millis(300),
                hands: Nanos::from_secs(5),
            },
        }
    }
}

impl Timing {
    /// The same waits with a reset that takes its time, as the vendor's tools and blisp do it (clients reference 2): for a
    /// board whose EN or BOOT has a capacitor too large for the waits of the preset.
    ///
    /// EN of a module has some 10 kOhm to the supply and up to 1 uF to ground (assumed; no plan of the XT-ZB2 is public). An
    /// adapter pulls it low in well under 1 ms; it is high again 10 ms after its release. The waits of
    /// [`Pace::Normal`] are some times that; those here do with ten times the capacitor.
    #[must_use]
    pub fn with_patient_reset(self) -> Timing {
        Timing {
            reset_hold: self.reset_hold.max(Nanos::from_millis(100)),
            strap_settle: self.strap_settle.max(Nanos::from_millis(100)),
            reset_to_burst: self.reset_to_burst.max(Nanos::from_millis(200)),
            ..self
        }
    }

    /// The same waits for a line on which a short answer took this long.
    ///
    /// An `OK` that comes after its wait makes the next burst hit a session that has just begun, which costs the RAM
    /// loader's session. So what is seen once, of an adapter or a network, is allowed for twice over.
    #[must_use]
    pub fn allowing_for(self, answer: Nanos) -> Timing {
        /// The waits of the preset cover this much.
        const COVERED: Nanos = Nanos::from_millis(20);
        /// Beyond this no wait grows, so that bounds hold.
        const MOST: Nanos = Nanos::from_millis(500);
        let more = answer.since(COVERED).min(MOST) * 2;
        Timing { ok_wait: self.ok_wait + more, reply_margin: self.reply_margin + more, ..self }
    }
}

/// A wait that can be set by its name.
#[derive(Clone, Copy, Debug)]
pub struct TimeOut {
    /// Name, its unit included.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// The least, in its unit: less than that cannot work.
    pub least: u64,
    /// The most, in its unit.
    pub most: u64,
    /// Its unit.
    pub unit: Nanos,
    of: fn(&mut Timing) -> &mut Nanos,
}

/// Every wait of a session that can be set, by its name in the configuration.
pub const TIME_OUTS: [TimeOut; 8] = [
    ms("reset_hold_ms", "EN is held low so long", 1, |timing| &mut timing.reset_hold),
    ms("strap_settle_ms", "BOOT is high so long before EN is released", 0, |timing| &mut timing.strap_settle),
    ms("reset_to_burst_ms", "from the release of EN to the first handshake", 0, |timing| {
        &mut timing.reset_to_burst
    }),
    // The chip's OK comes up to 13 ms after the first byte of a burst.
    ms("ok_wait_ms", "from the end of a handshake burst until OK must have come", 15, |timing| {
        &mut timing.ok_wait
    }),
    // The loader throws away what comes within 1 ms of its OK.
    ms("quiet_ms", "the line must be quiet so long after OK", 3, |timing| &mut timing.quiet),
    ms("jump_to_burst_ms", "from the start of the RAM loader to its first handshake", 0, |timing| {
        &mut timing.jump_to_burst
    }),
    ms("reply_margin_ms", "what an answer may take beyond the time the chip needs", 20, |timing| {
        &mut timing.reply_margin
    }),
    TimeOut {
        name: "wait_s",
        what: "handshakes go on so long while a person resets the module",
        least: 0,
        most: 3600,
        unit: Nanos::from_secs(1),
        of: |timing| &mut timing.hands,
    },
];

const fn ms(
    name: &'static str,
    what: &'static str,
    least: u64,
    of: fn(&mut Timing) -> &mut Nanos,
) -> TimeOut {
    TimeOut { name, what, least, most: 60_000, unit: Nanos::from_millis(1), of }
}

impl TimeOut {
    /// Its value, in its unit.
    pub fn get(&self, timing: &Timing) -> u64 {
        (self.of)(&mut timing.clone()).0 / self.unit.0
    }

    /// Sets it, in its unit.
    pub fn set(&self, timing: &mut Timing, value: u64) {
        *(self.of)(timing) = self.unit * value;
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Pace::Slow => "slow",
            Pace::Normal => "normal",
            Pace::Fast => "fast",
        })
    }
}

impl std::str::FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        match text {
            "slow" => Ok(Pace::Slow),
            "normal" => Ok(Pace::Normal),
            "fast" => Ok(Pace::Fast),
            _ => Err(format!("{text:?} is none of slow, normal, fast")),
        }
    }
}

impl Default for Timing {
    fn default() -> Timing {
        Timing::of(Pace::Normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_has_a_name_and_only_one() {
        for (index, time_out) in TIME_OUTS.iter().enumerate() {
            let mut timing = Timing::default();
            time_out.set(&mut timing, 33);
            let changed: Vec<&str> = TIME_OUTS
                .iter()
                .filter(|other| other.get(&timing) != other.get(&Timing::default()))
                .map(|other| other.name)
                .collect();
            assert_eq!(changed, [time_out.name], "{index}");
            assert_eq!(time_out.get(&timing), 33);
        }
        // `Timing` has as many fields as there are names.
        assert_eq!(size_of::<Timing>(), TIME_OUTS.len() * size_of::<Nanos>());
    }

    #[test]
    fn no_preset_is_outside_what_may_be_set() {
        for pace in [Pace::Slow, Pace::Normal, Pace::Fast] {
            for time_out in TIME_OUTS {
                let value = time_out.get(&Timing::of(pace));
                assert!((time_out.least..=time_out.most).contains(&value), "{} {pace:?}", time_out.name);
            }
        }
    }
}
