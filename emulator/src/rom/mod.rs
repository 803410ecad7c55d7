//! The mask ROM: strap sampling, handshake, and the ISP session with its parser and commands.
//!
//! All behaviour is from `reference/rom-and-module.md` section 1; `fixtures/vectors/rom.jsonl` proves it.

mod cipher;
mod commands;
mod flash_job;
mod image;
mod memory;
mod otp_record;
mod parser;
mod secure;
mod session;
mod timing;

use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use crate::chip::{Chip, Exit, Program, Wake};
use crate::event::{Event, SessionEnd, Stage};
use crate::registers::{HBN_DELAY, HBN_ENTER, HBN_RSV0, HBN_RSV1, HBN_WOKEN};
use crate::uart;
use otp_record::OtpRecord;
use session::{Session, SessionStep};

/// How many bytes one poll of the UART finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PollModel {
    /// What has arrived by the time the ROM looks: its own processing decides.
    #[default]
    Timed,
    /// So many bytes, or what is there when the host sends no more (conformance vectors).
    Fixed(usize),
}

/// The fuse word of the switches below (`reference/rom-and-module.md` section 3).
pub(crate) const SW_USAGE_0: u8 = 0x10;
const UART_LOG_DISABLE: u32 = 1 << 1;
/// 50h and 51h are refused.
pub(crate) const TZ_BOOT: u32 = 1 << 20;
const MEDIABOOT_DISABLE: u32 = 1 << 24;
const UARTBOOT_DISABLE: u32 = 1 << 25;
const HBN_JUMP_DISABLE: u32 = 1 << 27;

/// The boot ROM at work.
#[derive(Debug)]
pub(crate) struct BootRom {
    otp: OtpRecord,
    poll_model: PollModel,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// A wake-up word was found: the jump happens at this time.
    Leaving {
        at: Nanos,
        exit: Exit,
    },
    /// The boot pin is sampled three times.
    Sampling {
        at: Nanos,
        taken: u8,
        low: u8,
    },
    /// Auto-baud listens, in turns with USB, since this time.
    Listening {
        since: Nanos,
    },
    /// The fuse that switches UART boot off is burnt.
    UartDisabled,
    /// Auto-baud has locked; `OK` comes at this time.
    Answering {
        ok_at: Nanos,
        baud_bps: u32,
    },
    /// One read of surplus bytes is thrown away.
    Draining {
        until: Nanos,
        baud_bps: u32,
    },
    Session(Box<Session>),
}

/// What the outside may know of the ROM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RomState {
    /// Before the boot pin is sampled.
    Booting,
    /// Waits for a handshake.
    Listening,
    /// Waits for ever: the fuse `uartboot_disable` is burnt.
    UartDisabled,
    /// Between the first 0x55 and the end of the drain.
    Handshake,
    /// In a session at this rate.
    Session {
        /// The rate found by auto-baud or set by 20h.
        baud_bps: u32,
    },
}

impl BootRom {
    /// Leaves reset at `at`. The HBN words decide whether the ROM jumps at once (section 1.1).
    pub(crate) fn start(chip: &mut Chip, at: Nanos, poll_model: PollModel) -> BootRom {
        chip.otp.reload_shadow();
        let otp = OtpRecord::read(&chip.otp);
        let scale = chip.profile.rom_time_scale;
        let started = at + Nanos::from_micros(chip.profile.boot_rom_start_us).scale(scale);
        chip.faults.fuses_used(
            at,
            Stage::Rom,
            SW_USAGE_0,
            UART_LOG_DISABLE,
            "the boot ROM beginning its log",
        );
        let flag = chip.load_register(at, HBN_RSV0);
        let phase = if flag == HBN_ENTER {
            chip.registers.set_hbn(HBN_RSV0, HBN_WOKEN);
            let address = chip.load_register(at, HBN_RSV1);
            chip.faults.fuses_used(
                at,
                Stage::Rom,
                SW_USAGE_0,
                HBN_JUMP_DISABLE,
                "the boot ROM woken to jump to RAM",
            );
            let jumps = !otp.efuse.hbn_jump_disable() && address != 0 && address != u32::MAX;
            let exit = if jumps { Exit::Jump { address } } else { Exit::FlashBoot };
            Phase::Leaving { at: started, exit }
        } else {
            let delay_ms = if flag & !0xFF == HBN_DELAY { sampling_delay_ms(flag as u8) } else { 0 };
            let delay = Nanos::from_millis(delay_ms).scale(scale);
            Phase::Sampling { at: started + delay, taken: 0, low: 0 }
        };
        BootRom { otp, poll_model, phase }
    }

    pub(crate) fn state(&self) -> RomState {
        match &self.phase {
            Phase::Leaving { .. } | Phase::Sampling { .. } => RomState::Booting,
            Phase::Listening { .. } => RomState::Listening,
            Phase::UartDisabled => RomState::UartDisabled,
            Phase::Answering { .. } | Phase::Draining { .. } => RomState::Handshake,
            Phase::Session(session) => RomState::Session { baud_bps: session.baud_bps() },
        }
    }

    /// One thing at or before `until`; false when there is none.
    fn step(&mut self, chip: &mut Chip, until: Nanos) -> Progress {
        let scale = chip.profile.rom_time_scale;
        match &mut self.phase {
            Phase::Leaving { at, .. } if *at > until => Progress::Blocked,
            Phase::Leaving { at, exit } => {
                if *exit == Exit::FlashBoot {
                    chip.emit(*at, Event::FlashInit);
                }
                Progress::Exit(*at, exit.clone())
            }
            Phase::Sampling { at, .. } if *at > until => Progress::Blocked,
            Phase::Sampling { at, taken, low } => {
                // What came before nobody listened to.
                chip.rx.discard(*at);
                *taken += 1;
                *low += u8::from(!chip.sample_boot(*at));
                let now = *at;
                *at += timing::DELAY_UNIT.scale(scale);
                if *taken == 3 {
                    let pin_says_isp = *low <= 1;
                    let isp = pin_says_isp || self.otp.efuse.mediaboot_disable();
                    let asked = if pin_says_isp { 0 } else { MEDIABOOT_DISABLE };
                    let asked = if isp { asked | UARTBOOT_DISABLE } else { asked };
                    chip.faults.fuses_used(
                        now,
                        Stage::Rom,
                        SW_USAGE_0,
                        asked,
                        "the boot ROM choosing where to boot from",
                    );
                    self.phase = match (isp, self.otp.efuse.uartboot_disable()) {
                        (false, _) => Phase::Leaving { at: now, exit: Exit::FlashBoot },
                        (true, true) => Phase::UartDisabled,
                        (true, false) => Phase::Listening { since: now },
                    };
                }
                Progress::Done
            }
            Phase::UartDisabled => {
                chip.rx.discard(until);
                Progress::Blocked
            }
            Phase::Listening { since } => {
                let since = *since;
                match listen(chip, since, until, scale) {
                    Some((ok_at, baud_bps)) => {
                        self.phase = Phase::Answering { ok_at, baud_bps };
                        Progress::Done
                    }
                    None => Progress::Blocked,
                }
            }
            Phase::Answering { ok_at, .. } if *ok_at > until => Progress::Blocked,
            Phase::Answering { ok_at, baud_bps } => {
                let (ok_at, baud_bps) = (*ok_at, *baud_bps);
                chip.rx.discard(ok_at);
                chip.rx.receive_at(baud_bps);
                chip.send_handshake(ok_at, Stage::Rom, baud_bps);
                chip.emit(ok_at, Event::Handshake { stage: Stage::Rom, baud_bps });
                self.phase = Phase::Draining { until: ok_at + timing::DRAIN.scale(scale), baud_bps };
                Progress::Done
            }
            Phase::Draining { until: end, .. } if *end > until => Progress::Blocked,
            Phase::Draining { until: end, baud_bps } => {
                let mut surplus = Vec::new();
                let count = chip.rx.take(*end, timing::DRAIN_BYTES, &mut surplus) as u32;
                if surplus.iter().any(|byte| *byte != frame::HANDSHAKE_BYTE) {
                    let why = "sent before the ROM's session was ready";
                    chip.emit(*end, Event::BytesLost { count, why });
                }
                let session = Session::new(*end, *baud_bps, self.poll_model, self.otp.clone());
                self.phase = Phase::Session(Box::new(session));
                Progress::Done
            }
            Phase::Session(session) => match session.step(chip, until) {
                SessionStep::Done => Progress::Done,
                SessionStep::Blocked => Progress::Blocked,
                SessionStep::Exit(at, exit) => Progress::Exit(at, exit),
                SessionStep::Idle(at) => {
                    chip.emit(at, Event::SessionEnded { stage: Stage::Rom, why: SessionEnd::Idle });
                    self.phase = Phase::Listening { since: at };
                    Progress::Done
                }
            },
        }
    }
}

enum Progress {
    Done,
    Blocked,
    Exit(Nanos, Exit),
}

impl Program for BootRom {
    fn run(&mut self, chip: &mut Chip, until: Nanos) -> Option<(Nanos, Exit)> {
        loop {
            match self.step(chip, until) {
                Progress::Done => {}
                Progress::Blocked => return None,
                Progress::Exit(at, exit) => return Some((at, exit)),
            }
        }
    }

    fn wake(&self, chip: &Chip) -> Wake {
        match &self.phase {
            Phase::Leaving { at, .. } | Phase::Sampling { at, .. } => Wake::Work(*at),
            Phase::Answering { ok_at, .. } => Wake::Work(*ok_at),
            Phase::Draining { until, .. } => Wake::Work(*until),
            Phase::Listening { .. } | Phase::UartDisabled => {
                chip.rx.next_arrival().map_or(Wake::Never, |(at, _)| Wake::Work(at))
            }
            Phase::Session(session) => session.wake(chip),
        }
    }
}

/// 1 waits 5 ms, n waits 10n - 10 ms (nominal), 0 not at all.
fn sampling_delay_ms(count: u8) -> u64 {
    match count {
        0 => 0,
        1 => 5,
        n => u64::from(n) * 10 - 10,
    }
}

/// Looks for the first good character in an open listening window; gives the time of `OK` and the rate.
fn listen(chip: &mut Chip, since: Nanos, until: Nanos, scale: f64) -> Option<(Nanos, u32)> {
    let armed = timing::LISTEN.scale(scale);
    let round = armed + timing::USB_TURN.scale(scale);
    while let (Some((byte, sent_bps)), Some((end, _))) = (chip.rx.peek(), chip.rx.next_arrival()) {
        if end > until {
            return None;
        }
        let begin = end - Nanos::byte_times(1, sent_bps);
        let into_round = Nanos(begin.since(since).0 % round.0.max(1));
        let heard = begin >= since && into_round + (end - begin) <= armed;
        let rate = uart::rom_autobaud(sent_bps).filter(|_| heard && uart::is_autobaud_byte(byte));
        chip.rx.skip_one();
        if let Some(baud_bps) = rate {
            return Some((begin + timing::BEFORE_OK.scale(scale), baud_bps));
        }
    }
    None
}
