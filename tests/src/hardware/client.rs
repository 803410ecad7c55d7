//! A small client of the vendor's protocol, for what must be right even when the flasher under test is wrong: who the
//! module is, which fuses are burnt, what the flash holds, and giving the flash back.
//!
//! It shares nothing with the flasher, not even frames, and does one thing after the other: no pipelining, no retries but
//! for handshakes. Sources: `reference/rom-and-module.md` 1.4 and 1.5, `reference/loader-protocol.md` 2 to 5.

use bl702_flasher::port::{Port, PortError};
use bl702_flasher::reset::Wiring;
use bl702_protocol::time::Nanos;
use sha2::{Digest as _, Sha256};

use super::wire::BenchPort;
use crate::host;
use crate::words::readable;

/// Smallest unit that can be erased.
pub const SECTOR_BYTES: usize = 4096;
/// Bytes read by one command; the loader gives at most 9220.
const READ_BYTES: usize = 8192;
/// Bytes written by one command; the loader takes at most 9216.
const WRITE_BYTES: usize = 4096;
/// Image data in one frame for the ROM; it takes at most 4092.
const UPLOAD_BYTES: usize = 4000;
/// Bytes of the boot header and of the segment header before the data of a loader image.
const HEADER_BYTES: usize = 176;
const SEGMENT_HEADER_BYTES: usize = 16;
/// What follows when 1,500 bit times, or a network, are slow.
const REPLY: Nanos = Nanos::from_secs(5);
/// The loader leaves its session after two time-outs of 2 s.
const SESSION_END: Nanos = Nanos::from_millis(4_200);
/// Bursts tried for one handshake.
const BURSTS: u32 = 5;

/// Why the client gave up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Nobody answers 55.
    #[error("no answer to a handshake at {baud_bps} baud; heard: {heard}")]
    NoHandshake {
        /// Rate it was tried at.
        baud_bps: u32,
        /// What came instead.
        heard: String,
    },
    /// An answer is not what it should be.
    #[error("command {id:02X}h was answered with {heard}")]
    Answer {
        /// The command.
        id: u8,
        /// What came.
        heard: String,
    },
    /// What was reached is no boot ROM of a BL702.
    #[error("boot info has version {version:08X}, a BL702's boot ROM has 07020001")]
    OtherChip {
        /// The version.
        version: u32,
    },
    /// The image is too short to be a RAM loader.
    #[error("the RAM loader image is too short: {len} bytes")]
    NoLoader {
        /// Its size.
        len: usize,
    },
    /// Flash and what was written differ.
    #[error("after writing, the flash differs from the image first at {offset:#x}")]
    Differs {
        /// Where.
        offset: usize,
    },
}

type Result<T> = std::result::Result<T, ClientError>;

/// The client.
pub struct Client<'p> {
    port: &'p mut BenchPort,
    baud_bps: u32,
}

impl<'p> Client<'p> {
    /// A client at this port, which nobody has reached a module through yet.
    pub fn new(port: &'p mut BenchPort) -> Client<'p> {
        Client { port, baud_bps: 0 }
    }

    /// Restarts the module into its boot ROM and begins a session.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn enter_rom(&mut self, baud_bps: u32) -> Result<()> {
        if self.port.wiring() == Wiring::None {
            self.find_session(baud_bps)?;
            self.exchange(0x21, &[])?;
        } else {
            self.port.set_pins(false, true)?;
            host::listen(self.port, Nanos::from_millis(50))?;
            self.port.set_pins(true, true)?;
        }
        // The ROM is up after some 10 ms.
        host::listen(self.port, Nanos::from_millis(80))?;
        self.handshake(baud_bps)
    }

    /// Without lines: whoever is there, in whatever state, is silent for long enough to forget its session.
    fn find_session(&mut self, baud_bps: u32) -> Result<()> {
        if self.handshake(baud_bps).is_ok() {
            return Ok(());
        }
        host::listen(self.port, SESSION_END)?;
        self.handshake(baud_bps)
    }

    /// Begins a session with whoever waits for one.
    ///
    /// # Errors
    /// [`ClientError::NoHandshake`]
    pub fn handshake(&mut self, baud_bps: u32) -> Result<()> {
        self.port.set_baud(baud_bps)?;
        self.baud_bps = baud_bps;
        let burst = vec![0x55; (baud_bps as usize * 3 / 10_000).max(1)];
        let mut heard = Vec::new();
        for wait_ms in (1..=u64::from(BURSTS)).map(|round| round * 100) {
            self.port.purge_input()?;
            heard = host::send(self.port, baud_bps, &burst)?;
            let until = self.port.now() + Nanos::from_millis(wait_ms);
            while self.port.now() < until && !heard.ends_with(b"OK") {
                let mut buffer = [0; 256];
                let count = self.port.read(&mut buffer, until)?;
                heard.extend(&buffer[..count]);
            }
            if heard.ends_with(b"OK") {
                // A frame right behind OK is lost.
                host::listen(self.port, Nanos::from_millis(30))?;
                return Ok(());
            }
        }
        Err(ClientError::NoHandshake { baud_bps, heard: readable(&heard) })
    }

    /// The chip id, eFuse bytes 14h to 1Bh, from the ROM's boot info.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn chip_id(&mut self) -> Result<[u8; 8]> {
        let info = self.data(0x10, &[])?;
        let wrong = || ClientError::Answer { id: 0x10, heard: readable(&info) };
        let version = u32::from_le_bytes(info.get(..4).and_then(|v| v.try_into().ok()).ok_or_else(wrong)?);
        if version != 0x0702_0001 {
            return Err(ClientError::OtherChip { version });
        }
        info.get(16..24).and_then(|id| id.try_into().ok()).ok_or_else(wrong)
    }

    /// All 128 bytes of fuses.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn fuses(&mut self) -> Result<[u8; 128]> {
        let fuses = self.data(0x41, &[0, 0, 0, 0, 0x80, 0, 0, 0])?;
        let heard = || ClientError::Answer { id: 0x41, heard: readable(&fuses) };
        fuses.as_slice().try_into().map_err(|_| heard())
    }

    /// Uploads a RAM loader through the ROM, starts it, and begins a session with it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn start_loader(&mut self, image: &[u8], baud_bps: u32) -> Result<()> {
        let data_at = HEADER_BYTES + SEGMENT_HEADER_BYTES;
        if image.len() <= data_at {
            return Err(ClientError::NoLoader { len: image.len() });
        }
        self.exchange(0x11, &image[..HEADER_BYTES])?;
        self.data(0x17, &image[HEADER_BYTES..data_at])?;
        for data in image[data_at..].chunks(UPLOAD_BYTES) {
            self.exchange(0x18, data)?;
        }
        self.exchange(0x19, &[])?;
        // The vendor's way: four register writes in one piece, three of which are answered before the jump.
        let start: Vec<u8> = [
            (0x4000_F100_u32, 0x4E42_4845_u32),
            (0x4000_F104, 0x2201_0000),
            (0x4000_0018, 0),
            (0x4000_0018, 2),
        ]
        .iter()
        .flat_map(|(address, value)| frame(0x50, &[address.to_le_bytes(), value.to_le_bytes()].concat()))
        .collect();
        host::ask(self.port, self.baud_bps, &start, Nanos::from_millis(100))?;
        host::listen(self.port, Nanos::from_millis(150))?;
        self.handshake(baud_bps)
    }

    /// The flash's JEDEC id, from the RAM loader.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn jedec(&mut self) -> Result<[u8; 3]> {
        let id = self.data(0x36, &[])?;
        let heard = || ClientError::Answer { id: 0x36, heard: readable(&id) };
        id.get(..3).and_then(|id| id.try_into().ok()).ok_or_else(heard)
    }

    /// Reads the flash from its start, and compares with the hash that the RAM loader computes.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn read_flash(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut flash = Vec::with_capacity(len);
        while flash.len() < len {
            let count = READ_BYTES.min(len - flash.len());
            let range = [(flash.len() as u32).to_le_bytes(), (count as u32).to_le_bytes()].concat();
            let block = self.data(0x32, &range)?;
            if block.len() != count {
                return Err(ClientError::Answer { id: 0x32, heard: format!("{} bytes", block.len()) });
            }
            flash.extend(block);
        }
        let range = [0_u32.to_le_bytes(), (len as u32).to_le_bytes()].concat();
        let hash = self.data(0x3D, &range)?;
        if hash != Sha256::digest(&flash).as_slice() {
            return Err(ClientError::Answer {
                id: 0x3D,
                heard: "the hash of other bytes than were read".into(),
            });
        }
        Ok(flash)
    }

    /// Makes the flash hold `image` from its start, sector by sector where it does not yet, and reads everything back.
    ///
    /// Gives how many sectors had to be written.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn write_flash(&mut self, image: &[u8]) -> Result<usize> {
        let found = self.read_flash(image.len())?;
        let sectors: Vec<usize> = (0..image.len())
            .step_by(SECTOR_BYTES)
            .filter(|at| found[*at..][..SECTOR_BYTES] != image[*at..][..SECTOR_BYTES])
            .collect();
        // Neighbours go into one erase command, which takes larger units where it can.
        for run in sectors.chunk_by(|a, b| a + SECTOR_BYTES == *b) {
            let (first, end) = (run[0], run[run.len() - 1] + SECTOR_BYTES);
            let range = [(first as u32).to_le_bytes(), (end as u32 - 1).to_le_bytes()].concat();
            self.exchange(0x30, &range)?;
            for at in (first..end).step_by(WRITE_BYTES) {
                let data = &image[at..at + WRITE_BYTES];
                if data.iter().any(|byte| *byte != 0xff) {
                    self.exchange(0x31, &[&(at as u32).to_le_bytes(), data].concat())?;
                    self.exchange(0x3A, &[])?;
                }
            }
        }
        let now = self.read_flash(image.len())?;
        match now.iter().zip(image).position(|(now, image)| now != image) {
            Some(offset) => Err(ClientError::Differs { offset }),
            None => Ok(sectors.len()),
        }
    }

    /// Ends a session of the RAM loader at once, by three commands that it has to refuse; it goes on running.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn end_loader_session(&mut self) -> Result<()> {
        for _ in 0..3 {
            match self.exchange(0x32, &[]) {
                Err(ClientError::Answer { heard, .. }) if heard == "FL0004" => {}
                Err(error) => return Err(error),
                Ok(()) => return Err(ClientError::Answer { id: 0x32, heard: "OK".to_owned() }),
            }
        }
        Ok(())
    }

    /// Restarts the module by command, which it answers.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn reset(&mut self) -> Result<()> {
        self.exchange(0x21, &[])
    }

    /// Sends a command that is answered with OK alone.
    fn exchange(&mut self, id: u8, payload: &[u8]) -> Result<()> {
        self.send(id, payload)?;
        self.acknowledged(id)
    }

    /// Sends a command that is answered with OK, a length, and so many bytes.
    fn data(&mut self, id: u8, payload: &[u8]) -> Result<Vec<u8>> {
        self.exchange(id, payload)?;
        let len = self.take(id, 2)?;
        self.take(id, usize::from(u16::from_le_bytes([len[0], len[1]])))
    }

    fn send(&mut self, id: u8, payload: &[u8]) -> Result<()> {
        self.port.purge_input()?;
        Ok(self.port.write(&frame(id, payload))?)
    }

    fn acknowledged(&mut self, id: u8) -> Result<()> {
        loop {
            let head = self.take(id, 2)?;
            match head.as_slice() {
                b"OK" => return Ok(()),
                // An erase says so for each unit.
                b"PD" => {}
                b"FL" => {
                    let code = self.take(id, 2)?;
                    let code = u16::from_le_bytes([code[0], code[1]]);
                    return Err(ClientError::Answer { id, heard: format!("FL{code:04X}") });
                }
                other => return Err(ClientError::Answer { id, heard: readable(other) }),
            }
        }
    }

    /// So many bytes, which have to come.
    fn take(&mut self, id: u8, count: usize) -> Result<Vec<u8>> {
        let until = self.port.now() + REPLY + Nanos::byte_times(count as u64, self.baud_bps.max(1));
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            filled += self.port.read(&mut bytes[filled..], until)?;
            if filled < count && self.port.now() >= until {
                let heard = format!("{} instead of {count} bytes", readable(&bytes[..filled]));
                return Err(ClientError::Answer { id, heard });
            }
        }
        Ok(bytes)
    }
}

/// `id checksum length payload`; the checksum is the low byte of the sum of all behind it.
fn frame(id: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_le_bytes();
    let sum = len.iter().chain(payload).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    [&[id, sum, len[0], len[1]], payload].concat()
}

#[cfg(test)]
mod tests {
    use bl702_emulator::module::Module;
    use bl702_emulator::profile::{Boot, Profile, Wiring as ModuleWiring};
    use bl702_flasher::port::emulated::EmulatedPort;

    use super::*;
    use crate::hardware::config::{BenchConfig, WiringName};
    use crate::{images, vectors};

    fn bench(wiring: ModuleWiring, flash: &[u8]) -> BenchPort {
        let mut profile = Profile::builtin("xt-zb2").unwrap();
        (profile.wiring, profile.boot) = (wiring, Boot::Dtr);
        if wiring == ModuleWiring::None {
            profile.boot = Boot::High;
        }
        let module = Module::builder(profile).boot_high(true).flash(flash.to_vec()).build();
        let mut config = BenchConfig::of_port("in this process");
        if wiring == ModuleWiring::None {
            config.wiring = WiringName::None;
        }
        BenchPort::over(Box::new(EmulatedPort::new(module, 500_000)), &config).unwrap()
    }

    /// The golden bytes are the vectors', not ours.
    #[test]
    fn frames_are_those_of_the_reference() {
        let read = [0x0100_u32.to_le_bytes(), 16_u32.to_le_bytes()].concat();
        assert_eq!(frame(0x32, &read), vectors::row("read, right checksum").requests()[0]);
        let erase = [0x1000_u32.to_le_bytes(), 0x1fff_u32.to_le_bytes()].concat();
        assert_eq!(frame(0x30, &erase), vectors::row("erase one sector, full 1000..1fff").requests()[0]);
    }

    #[test]
    fn it_finds_out_who_the_module_is_and_what_it_holds() {
        for wiring in [ModuleWiring::RtsEn, ModuleWiring::None] {
            let pattern = images::pattern(1 << 20);
            let mut port = bench(wiring, &pattern);
            let mut client = Client::new(&mut port);
            client.enter_rom(500_000).unwrap();
            assert_eq!(&client.chip_id().unwrap(), b"207lb\x02\0\0");
            assert_eq!(&client.fuses().unwrap()[0x14..0x1c], b"207lb\x02\0\0");
            let loader = std::fs::read(images::made_up_loader()).unwrap();
            client.start_loader(&loader, 2_000_000).unwrap();
            assert_eq!(client.jedec().unwrap(), [0xc2, 0x20, 0x14]);
            assert_eq!(client.read_flash(1 << 20).unwrap(), pattern);
        }
    }

    #[test]
    fn it_gives_the_flash_back_and_writes_only_what_differs() {
        let mut owner = images::pattern(1 << 20);
        let mut port = bench(ModuleWiring::RtsEn, &owner);
        owner[0x3000..0x5000].fill(0x5a);
        owner[0xff_fff] = 1;
        let loader = std::fs::read(images::made_up_loader()).unwrap();
        let mut client = Client::new(&mut port);
        client.enter_rom(500_000).unwrap();
        client.start_loader(&loader, 2_000_000).unwrap();
        assert_eq!(client.write_flash(&owner).unwrap(), 3);
        assert_eq!(client.write_flash(&owner).unwrap(), 0);
        // It is restarted out of the middle of a session as well.
        client.enter_rom(500_000).unwrap();
        assert_eq!(&client.chip_id().unwrap(), b"207lb\x02\0\0");
    }

    #[test]
    fn a_loader_session_is_over_at_once() {
        let mut port = bench(ModuleWiring::RtsEn, &[]);
        let loader = std::fs::read(images::made_up_loader()).unwrap();
        let mut client = Client::new(&mut port);
        client.enter_rom(500_000).unwrap();
        client.start_loader(&loader, 2_000_000).unwrap();
        client.end_loader_session().unwrap();
        client.handshake(500_000).unwrap();
        assert_eq!(client.jedec().unwrap(), [0xc2, 0x20, 0x14]);
    }
}
