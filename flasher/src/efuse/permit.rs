//! The one key to the one command that burns.

/// Shows that a person has spelled out that fuses are to be burnt. Without one no request that burns can be made:
/// [`Request::efuse_write`](crate::request::Request::efuse_write) asks for it, and nothing else makes a frame with id 40h.
#[derive(Debug)]
pub struct BurnPermit {
    _private: (),
}

impl BurnPermit {
    /// From the option `--yes-burn-fuses`: nothing unless it was given.
    ///
    /// Programs that use the library give `true` only for what a person asked for in these words.
    pub fn from_option(yes_burn_fuses: bool) -> Option<BurnPermit> {
        yes_burn_fuses.then_some(BurnPermit { _private: () })
    }
}
