//! What the programs in the chip (boot ROM, RAM loader, firmware) share: memories, fuses, registers, lines.

use std::collections::VecDeque;
use std::sync::Arc;

use bl702_protocol::time::Nanos;

use crate::event::{Event, TimedEvent};
use crate::fault::FrameFaults;
use crate::fault::device::DeviceFaults;
use crate::flash::Flash;
use crate::line::{LineRx, LineTx};
use crate::otp::Otp;
use crate::profile::Profile;
use crate::ram::Ram;
use crate::registers::Registers;

/// Everything in the chip but the program that runs.
#[derive(Debug)]
pub(crate) struct Chip {
    pub(crate) profile: Arc<Profile>,
    pub(crate) flash: Flash,
    pub(crate) otp: Otp,
    pub(crate) ram: Ram,
    pub(crate) registers: Registers,
    /// The level at the boot pin now.
    pub(crate) boot_high: bool,
    /// The ROM has set the PLL since power-up.
    pub(crate) pll_started: bool,
    pub(crate) rx: LineRx,
    pub(crate) tx: LineTx,
    /// What is wrong with the device.
    pub(crate) faults: DeviceFaults,
    /// What happens to commands and answers.
    pub(crate) frames: Option<Box<FrameFaults>>,
    pub(crate) events: VecDeque<TimedEvent>,
}

/// Most events kept for a caller that does not collect them; then the oldest go.
const EVENTS_KEPT: usize = 1 << 16;

impl Chip {
    pub(crate) fn emit(&mut self, at: Nanos, event: Event) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(TimedEvent { at, event });
    }

    /// The same for what is known only after things that happened later were told.
    pub(crate) fn emit_in_order(&mut self, event: TimedEvent) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        let later = self.events.iter().rev().take_while(|other| other.at > event.at).count();
        self.events.insert(self.events.len() - later, event);
    }
}

/// How a program handed the chip over to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Execution goes to `address` in RAM.
    Jump { address: u32 },
    /// The ROM boots the flash.
    FlashBoot,
    /// The ROM runs the boot2 inside itself.
    RomBoot2,
    /// CPU reset (GLB swrst_cfg2 bit 1): RAM, registers and HBN words survive; the ROM starts anew.
    CpuReset,
    /// System reset: the same, and the peripherals are reset too; HBN words survive.
    SystemReset,
    /// Dead until EN or power: bus fault, endless loop, interrupt storm.
    Dead { reason: &'static str },
}

/// When a program wants to run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There is work to finish at this time (busy flash, a delay, a reply to send, received bytes to read).
    Work(Nanos),
    /// The program waits for the host; at this time an idle time-out fires.
    Idle(Nanos),
    /// The program waits for the host for ever.
    Never,
}

/// A program that runs on the chip's CPU.
pub(crate) trait Program: std::fmt::Debug + Send {
    /// Does all that happens up to and including `until`, and stops at the first exit, whose time it gives.
    ///
    /// Received bytes are in `chip.rx` with their times of arrival; replies go to `chip.tx`. Must not read or
    /// act on anything later than `until`. Calling it twice with the same time changes nothing.
    fn run(&mut self, chip: &mut Chip, until: Nanos) -> Option<(Nanos, Exit)>;

    /// When it wants to run next, given what is in `chip.rx`.
    fn wake(&self, chip: &Chip) -> Wake;
}
