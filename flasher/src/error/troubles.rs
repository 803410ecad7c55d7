//! What a run had to overcome, for the report at its end.

use std::fmt;

use serde::Serialize;

/// A lower rate that was taken because the higher one did not work well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// The rate before.
    pub from_bps: u32,
    /// The rate from then on.
    pub to_bps: u32,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fell back from {} to {} baud, because {}", self.from_bps, self.to_bps, self.reason)
    }
}

/// What a run had to overcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Troubles {
    /// Requests that were sent again.
    pub repeats: u32,
    /// Sessions that were lost and begun anew.
    pub resyncs: u32,
    /// Restarts of the module that nobody had asked for.
    pub restarts: u32,
    /// Sectors that did not hold what they should and were written again.
    pub rewritten_sectors: u64,
    /// Frames that went wrong and that the boot ROM may have taken for commands that change the flash.
    pub misread_frames: u32,
    /// Lower rates that were taken.
    pub fallbacks: Vec<Fallback>,
}

impl Troubles {
    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        *self == Troubles::default()
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (u64::from(self.repeats), "request sent again", "requests sent again"),
            (u64::from(self.resyncs), "session lost and begun anew", "sessions lost and begun anew"),
            (u64::from(self.restarts), "restart of the module", "restarts of the module"),
            (self.rewritten_sectors, "sector written again", "sectors written again"),
            (
                u64::from(self.misread_frames),
                "damaged frame that the boot ROM may have taken for a write",
                "damaged frames that the boot ROM may have taken for a write",
            ),
        ];
        let mut parts: Vec<String> = counts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
            .collect();
        parts.extend(self.fallbacks.iter().map(ToString::to_string));
        if parts.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let mut troubles = Troubles { repeats: 3, resyncs: 1, ..Troubles::default() };
        assert_eq!(troubles.to_string(), "3 requests sent again; 1 session lost and begun anew");
        let reason = "3 answers in a short time were damaged".to_owned();
        troubles.fallbacks.push(Fallback { from_bps: 2_000_000, to_bps: 1_000_000, reason });
        insta::assert_snapshot!(troubles, @"3 requests sent again; 1 session lost and begun anew; fell back from 2000000 to 1000000 baud, because 3 answers in a short time were damaged");
        assert_eq!(Troubles::default().to_string(), "none");
    }
}
