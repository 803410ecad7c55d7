//! Whole sessions of flasher and emulator in one process, in virtual time.
//!
//! A session is what a user's command is: power-up, reset, handshake with the boot ROM, upload of a RAM loader (made up, but
//! as long as the vendor's), handshake with it, and then a backup, or a write with its comparison before and its verification behind.

use std::sync::Arc;
use std::time::Duration;

use bl702_emulator::flash::FlashImage;
use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::event::Event;
use bl702_flasher::flow::{After, backup, write};
use bl702_flasher::plan::{Piece, Pieces};
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_protocol::time::Nanos;
use rustix::time::{ClockId, clock_gettime};

use crate::images;

/// Module, cable and settings of sessions that are alike.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The module.
    pub profile: Profile,
    /// What its flash holds at power-up; nothing for an erased one. Sessions share it.
    pub before: Option<Arc<FlashImage>>,
    /// Delay of the adapter before each answer.
    pub latency: Nanos,
    /// The flasher's settings: rates, waits, the RAM loader.
    pub options: Arc<ConnectOptions>,
}

/// A session that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether what was read is what the flash holds, or what was to be written is in it, and no fuse was burnt. That the
    /// rest of the flash is what it was is for [`Ended::flash`] to tell.
    pub right: bool,
    /// Why the flasher gave up, if it did.
    pub failure: Option<String>,
    /// When what happened, in module time.
    pub events: Vec<(Nanos, Event)>,
    /// Module time from power-up to the end.
    pub took: Nanos,
    port: EmulatedPort,
}

impl Ended {
    /// All that the flash holds now.
    pub fn flash(&self) -> Vec<u8> {
        self.port.module().flash().dump()
    }
}

impl Setting {
    /// The module XT-ZB2, its flash full of the reference's pattern, behind an adapter without delay; the flasher as it is by default.
    ///
    /// # Panics
    /// If the built-in profile or the made-up RAM loader cannot be read.
    pub fn new() -> Setting {
        let profile = Profile::builtin("xt-zb2").expect("the built-in profile");
        let loader = Some(Arc::new(images::long_loader()));
        let bytes = images::pattern(profile.flash_part.capacity_bytes as usize);
        Setting {
            profile,
            before: Some(Arc::new(FlashImage::new(bytes))),
            latency: Nanos::ZERO,
            options: Arc::new(ConnectOptions { loader, has_lines: true, ..ConnectOptions::default() }),
        }
    }

    /// The same with a flash of this size, a power of two from 512 KiB to 16 MiB, full of the pattern. The part has the
    /// XT-ZB2's times and an id of a maker whose parts of all these sizes the RAM loader knows. The flasher is told the
    /// size, because the eFuses name another and the pattern repeats itself, which it takes for a smaller flash.
    #[must_use]
    pub fn with_flash_bytes(mut self, capacity_bytes: u32) -> Setting {
        self.profile.flash_part.capacity_bytes = capacity_bytes;
        self.profile.flash_part.jedec_id = [0x68, 0x40, capacity_bytes.trailing_zeros() as u8];
        self.before = Some(Arc::new(FlashImage::new(images::pattern(capacity_bytes as usize))));
        let flash_size = Some(capacity_bytes);
        self.options = Arc::new(ConnectOptions { flash_size, ..ConnectOptions::clone(&self.options) });
        self
    }

    /// The same with another rate for the RAM loader.
    #[must_use]
    pub fn with_baud_bps(mut self, baud_bps: u32) -> Setting {
        self.options = Arc::new(ConnectOptions { baud_bps, ..ConnectOptions::clone(&self.options) });
        self
    }

    fn port(&self) -> EmulatedPort {
        let mut builder = Module::builder(self.profile.clone());
        if let Some(image) = &self.before {
            builder = builder.flash_image(Arc::clone(image));
        }
        let mut port = EmulatedPort::new(builder.build(), self.options.boot_baud_bps);
        port.set_latency(self.latency);
        port
    }

    /// Reads the whole flash.
    pub fn backup(&self) -> Ended {
        let mut port = self.port();
        let mut events = Vec::new();
        let options = Arc::clone(&self.options);
        let flow = |link| backup(link, options, None, After::Reset);
        let on_event = |at, event| events.push((at, event));
        let read = driver::run(&mut port, self.options.boot_baud_bps, flow, on_event, || false);
        let failure = read.as_ref().err().map(ToString::to_string);
        let right = read.is_ok_and(|read| match &self.before {
            Some(image) => read.bytes == image.bytes(),
            None => read.bytes.iter().all(|byte| *byte == 0xff),
        });
        Ended { right: right && is_unburnt(&port), failure, events, took: port.module().now(), port }
    }

    /// Brings the flash to hold these bytes from address 0 on.
    ///
    /// # Panics
    /// If there are none.
    pub fn write(&self, bytes: &[u8]) -> Ended {
        let mut port = self.port();
        let mut events = Vec::new();
        let pieces = Piece::new(0, bytes.to_vec()).and_then(|piece| Pieces::new(vec![piece]));
        let pieces = pieces.expect("one piece from address 0 on");
        let options = Arc::clone(&self.options);
        let flow = |link| write(link, options, pieces, After::Reset);
        let on_event = |at, event| events.push((at, event));
        let written = driver::run(&mut port, self.options.boot_baud_bps, flow, on_event, || false);
        let mut held = vec![0; bytes.len()];
        port.module().flash().read(0, &mut held);
        let right = written.is_ok() && held == bytes && is_unburnt(&port);
        let failure = written.err().map(|error| error.to_string());
        Ended { right, failure, events, took: port.module().now(), port }
    }
}

impl Default for Setting {
    fn default() -> Setting {
        Setting::new()
    }
}

fn is_unburnt(port: &EmulatedPort) -> bool {
    port.module().otp().burn_count() == 0
}

/// What this process has had of the processor.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_right_and_take_module_time() {
        let setting = Setting::new().with_flash_bytes(1 << 19).with_baud_bps(3_000_000);
        let read = setting.backup();
        assert!(read.right && read.took > Nanos::byte_times(1 << 19, 3_000_000), "{:?}", read.took);
        let written = setting.write(&images::other(5000, 1));
        assert!(written.right);
        assert!(written.events.iter().any(|(_, event)| matches!(event, Event::Verified { .. })));
        let expected = [&images::other(5000, 1), &images::pattern(1 << 19)[5000..]].concat();
        assert!(written.flash() == expected, "the rest is what it was");
        let erased = Setting { before: None, ..setting };
        assert!(erased.write(&images::other(5000, 1)).right && erased.backup().right);
    }
}
