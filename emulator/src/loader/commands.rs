//! The 22 commands: the table of their handlers, and the jobs that keep the main loop busy with them.
//!
//! A handler runs at the moment at which the main loop has taken the frame, and says what comes next and when: another
//! [`Job`], the end of the command, or the end of the program (`reference/loader-protocol.md` section 4).

use bl702_protocol::code::Code;
use bl702_protocol::command::LoaderCommand;
use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::data::LoaderData;
use super::efuse_commands as efuse;
use super::flash_erase::{self, ChipErase, Erase, ErasedUnit};
use super::flash_program::{self, Program, Programmed};
use super::flash_read::{self, Hash, Read};
use super::memory_map::{self, ANSWER};
use super::{flash_registers, memory_commands as memory, system_commands as system};
use crate::chip::{Chip, Exit};
use crate::event::{Event, Stage};

/// Bytes of the transmit FIFO (data sheet): the main loop is free as soon as the last byte of an answer has entered it.
const TRANSMIT_FIFO_BYTES: u64 = 128;

/// A frame that was taken, with a checksum that holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Where its payload stands in RAM, until something is written there.
    pub(super) payload: u32,
    /// Bytes of payload.
    pub(super) length: usize,
}

impl Request {
    /// The payload as it stands in RAM now.
    pub(super) fn payload<'chip>(&self, chip: &'chip Chip) -> &'chip [u8] {
        chip.ram.slice(self.payload, self.length).unwrap_or_default()
    }

    /// The little-endian words of a payload of exactly `N` words.
    pub(super) fn words<const N: usize>(&self, chip: &Chip) -> Option<[u32; N]> {
        let (words, rest) = self.payload(chip).as_chunks::<4>();
        if !rest.is_empty() {
            return None;
        }
        Some(<[[u8; 4]; N]>::try_from(words).ok()?.map(u32::from_le_bytes))
    }

    /// The address before the data of a payload that has at least one byte of data.
    pub(super) fn address(&self, chip: &Chip) -> Option<u32> {
        let (address, data) = self.payload(chip).split_first_chunk::<4>()?;
        (!data.is_empty()).then(|| u32::from_le_bytes(*address))
    }
}

/// What a handler works on.
#[derive(Debug)]
pub(super) struct Cpu<'run> {
    pub(super) chip: &'run mut Chip,
    pub(super) data: &'run mut LoaderData,
    pub(super) at: Nanos,
    pub(super) id: u8,
    pub(super) baud_bps: u32,
}

impl Cpu<'_> {
    /// Puts bytes into the transmit FIFO; gives the time when the last has entered it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Nanos {
        let sent_at = self.chip.send(self.at, self.baud_bps, bytes);
        (sent_at - transmit_fifo_time(self.baud_bps)).max(self.at)
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.chip.emit(self.at, event);
    }
}

fn transmit_fifo_time(baud_bps: u32) -> Nanos {
    Nanos::byte_times(TRANSMIT_FIFO_BYTES, baud_bps)
}

/// What comes after a handler or a job.
#[derive(Debug)]
pub(super) enum Next {
    /// The main loop goes on with this job at this time.
    At(Nanos, Job),
    /// The command is done; errors of most kinds count towards the three.
    Done { at: Nanos, counted_error: bool },
    /// The program ends.
    Leave(Nanos, Exit),
}

impl Next {
    /// `OK` and nothing else.
    pub(super) fn ok(at: Nanos) -> Next {
        Next::At(at, Job::Reply(Reply::Ok))
    }

    /// `FL` and a code that counts towards the three.
    pub(super) fn refuse(at: Nanos, code: u16) -> Next {
        Next::At(at, Job::Reply(Reply::Refusal { code, counts: true }))
    }

    /// `FL` and a code that does not count.
    pub(super) fn refuse_uncounted(at: Nanos, code: u16) -> Next {
        Next::At(at, Job::Reply(Reply::Refusal { code, counts: false }))
    }

    /// The first bytes of receive buffer 1, and of what lies behind it if there are more.
    pub(super) fn answer(at: Nanos, bytes: u32) -> Next {
        Next::At(at, Job::Reply(Reply::Answer { bytes }))
    }

    /// No answer and no error.
    pub(super) fn silence(at: Nanos) -> Next {
        Next::Done { at, counted_error: false }
    }
}

/// What ends a command on the wire.
#[derive(Debug)]
pub(super) enum Reply {
    Ok,
    Refusal { code: u16, counts: bool },
    Answer { bytes: u32 },
}

/// What the main loop is busy with until its time has come.
#[derive(Debug)]
pub(super) enum Job {
    /// A delay or busy time ends with this reply.
    Reply(Reply),
    /// An answer enters the transmit FIFO byte by byte.
    Sending { bytes: usize, faults: bool },
    /// Erasing goes on with its next unit.
    Erase(Erase),
    /// A unit is erased.
    ErasedUnit(ErasedUnit),
    /// The chip erase is polled.
    ChipErase(ChipErase),
    /// Programming begins.
    Program(Program),
    /// Programming is done.
    Programmed(Programmed),
    /// Flash is read into receive buffer 1.
    Read(Read),
    /// Flash is read and hashed, a chunk at a time.
    Hash(Hash),
    /// Flash was read and hashed; what came of it was known from the beginning.
    Digest([u8; 32]),
    /// The words for the ROM are stored before a reset.
    PrepareReset,
    /// The program ends.
    Leave(Exit),
}

impl Job {
    /// Does what is due at `cpu.at`.
    pub(super) fn run(self, cpu: &mut Cpu<'_>) -> Next {
        match self {
            Job::Reply(reply) => reply.run(cpu),
            Job::Sending { faults: true, .. } => Next::Leave(cpu.at, Exit::Dead { reason: BUS_FAULT }),
            Job::Sending { .. } => Next::Done { at: cpu.at, counted_error: false },
            Job::Erase(erase) => erase.run(cpu),
            Job::ErasedUnit(erased) => erased.run(cpu),
            Job::ChipErase(erase) => erase.run(cpu),
            Job::Program(program) => program.run(cpu),
            Job::Programmed(programmed) => programmed.run(cpu),
            Job::Read(read) => read.run(cpu),
            Job::Hash(hash) => hash.run(cpu),
            Job::Digest(digest) => flash_read::answer_digest(cpu, &digest),
            Job::PrepareReset => system::prepare_reset(cpu),
            Job::Leave(exit) => {
                match exit {
                    Exit::SystemReset => cpu.emit(Event::SystemReset),
                    Exit::CpuReset => cpu.emit(Event::CpuReset),
                    _ => {}
                }
                Next::Leave(cpu.at, exit)
            }
        }
    }

    /// Whether it reads or writes receive buffer 1 all the time it runs, so that a frame arriving there gets in its way.
    pub(super) fn works_on_answer(&self) -> bool {
        matches!(self, Job::Read(_) | Job::Sending { .. })
    }

    /// Brings receive buffer 1 up to date before an interrupt at `at` copies into it.
    pub(super) fn before_interrupt(&mut self, chip: &mut Chip, at: Nanos) {
        if let Job::Read(read) = self {
            read.copy_until(chip, at);
        }
    }

    /// An interrupt at `at` has copied into receive buffer 1: what has not entered the FIFO will be sent as it is now.
    pub(super) fn after_interrupt(&self, chip: &mut Chip, at: Nanos, baud_bps: u32) {
        if let Job::Sending { bytes, .. } = self {
            let unsent = chip.tx.unsent_mut(at + transmit_fifo_time(baud_bps));
            let first = bytes.saturating_sub(unsent.len());
            if let Some(now_there) = chip.ram.slice(ANSWER + first as u32, unsent.len()) {
                unsent.copy_from_slice(now_there);
            }
        }
    }
}

/// The CPU ran into an address where nothing is.
pub(super) const BUS_FAULT: &str = "bus fault in the RAM loader";
/// The CPU jumped to where a pointer had been before 50h or 51h overwrote it.
pub(super) const LOST_POINTER: &str =
    "the RAM loader jumped through a pointer that a memory command had overwritten";

impl Reply {
    fn run(self, cpu: &mut Cpu<'_>) -> Next {
        if !memory_map::can_send(&cpu.chip.ram) {
            return Next::Leave(cpu.at, Exit::Dead { reason: LOST_POINTER });
        }
        match self {
            Reply::Ok => Next::Done { at: cpu.send(&frame::OK), counted_error: false },
            Reply::Refusal { code, counts } => {
                let id = cpu.id;
                cpu.emit(Event::Refused { stage: Stage::Loader, id, code });
                Next::Done { at: cpu.send(&frame::fl(Code(code))), counted_error: counts }
            }
            Reply::Answer { bytes } => send_answer(cpu, bytes as usize),
        }
    }
}

/// An answer can be longer than the RAM behind its first byte (37h and 38h send as many bytes as the host names).
fn send_answer(cpu: &mut Cpu<'_>, bytes: usize) -> Next {
    let sent = bytes.min(cpu.chip.ram.bytes_from(ANSWER));
    let answer = cpu.chip.ram.slice(ANSWER, sent).unwrap_or_default().to_vec();
    let entered_at = cpu.send(&answer);
    Next::At(entered_at, Job::Sending { bytes: sent, faults: sent < bytes })
}

type Handler = fn(&Request, &mut Cpu<'_>) -> Next;

/// Id and handler of every command, in the order of the ids.
const HANDLERS: [(LoaderCommand, Handler); 22] = [
    (LoaderCommand::GetBootInfo, system::boot_info),
    (LoaderCommand::Reset, system::reset),
    (LoaderCommand::FlashErase, flash_erase::erase),
    (LoaderCommand::FlashWrite, flash_program::write),
    (LoaderCommand::FlashRead, flash_read::read),
    (LoaderCommand::XipRead, flash_read::read),
    (LoaderCommand::ReadJedecId, flash_registers::jedec_id),
    (LoaderCommand::ReadStatusRegister, flash_registers::read_status),
    (LoaderCommand::WriteStatusRegister, flash_registers::write_status),
    (LoaderCommand::WriteCheck, flash_program::write_check),
    (LoaderCommand::SetFlashParameters, flash_registers::set_parameters),
    (LoaderCommand::ChipErase, flash_erase::chip_erase),
    (LoaderCommand::Sha256, flash_read::sha256),
    (LoaderCommand::XipSha256, flash_read::sha256),
    (LoaderCommand::EfuseWrite, efuse::write),
    (LoaderCommand::EfuseRead, efuse::read),
    (LoaderCommand::ReadMac, efuse::mac),
    (LoaderCommand::MemoryWrite, memory::write),
    (LoaderCommand::MemoryRead, memory::read),
    (LoaderCommand::XipStart, system::xip_start),
    (LoaderCommand::XipFinish, system::xip_finish),
    (LoaderCommand::ReadLog, system::read_log),
];

/// The command with this id and its handler.
pub(super) fn find(id: u8) -> Option<(LoaderCommand, Handler)> {
    HANDLERS.iter().find(|(command, _)| command.id() == id).copied()
}
