//! 31h and 3Ah: programming, and whether it went well.

use bl702_protocol::frame;

use super::commands::{Cpu, Job, Next, Request};
use crate::event::Event;

/// 31h: address (4), data. `OK` comes first; a failure follows it.
pub(super) fn write(request: &Request, cpu: &mut Cpu<'_>) -> Next {
    match request.address(cpu.chip) {
        None => Next::refuse(cpu.at, 0x0004),
        Some(u32::MAX) => Next::refuse(cpu.at, 0x0005),
        Some(address) => {
            let begin_at = cpu.send(&frame::OK);
            Next::At(begin_at, Job::Program(Program { request: *request, address }))
        }
    }
}

/// Data that wait in a receive buffer.
#[derive(Debug)]
pub(super) struct Program {
    request: Request,
    address: u32,
}

impl Program {
    /// The ROM's driver splits pages and waits for each; the data are taken from the receive buffer.
    pub(super) fn run(self, cpu: &mut Cpu<'_>) -> Next {
        let length = self.request.length - 4;
        let data = cpu.chip.ram.slice(self.request.payload + 4, length).unwrap_or_default();
        match cpu.chip.flash.begin_program(cpu.at, self.address, data) {
            Ok(done_at) => {
                let programmed = Programmed { address: self.address, length: length as u32 };
                Next::At(done_at, Job::Programmed(programmed))
            }
            Err(error) => {
                cpu.data.write_failed = true;
                cpu.data.log.line(&format!("write failed: {error}"));
                Next::refuse(error.known_at(cpu.at), 0x0006)
            }
        }
    }
}

/// Data that are in the flash.
#[derive(Debug)]
pub(super) struct Programmed {
    address: u32,
    length: u32,
}

impl Programmed {
    pub(super) fn run(self, cpu: &mut Cpu<'_>) -> Next {
        cpu.emit(Event::FlashProgrammed { address: self.address, length: self.length });
        Next::silence(cpu.at)
    }
}

/// 3Ah: any payload. Reading does not clear it.
pub(super) fn write_check(_: &Request, cpu: &mut Cpu<'_>) -> Next {
    if cpu.data.write_failed { Next::refuse_uncounted(cpu.at, 0x0006) } else { Next::ok(cpu.at) }
}
