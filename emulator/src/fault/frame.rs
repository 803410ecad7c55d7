//! The frame seam: whole commands and answers.

use super::effect::FrameEffect;
use super::trigger::{Armed, FaultStatus};

/// The frame faults of one module.
#[derive(Debug, Default)]
pub(crate) struct FrameFaults {
    armed: Vec<Armed<FrameEffect>>,
}

impl FrameFaults {
    pub(super) fn arm(&mut self, fault: Armed<FrameEffect>) {
        self.armed.push(fault);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Armed<FrameEffect>> {
        self.armed.iter_mut()
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = (usize, FaultStatus)> + '_ {
        self.armed.iter().map(|fault| fault.status("frame"))
    }
}
