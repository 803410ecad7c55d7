//! A module in a test of one's own: `cargo run -p bl702-emulator --example module_in_a_test`.
//!
//! Nothing is plugged in, nothing waits: the module lives in virtual time. `tests/example.rs` runs this as a test.

use bl702_emulator::module::{Module, Start};
use bl702_emulator::profile::{Profile, ProfileError};
use bl702_emulator::transport::memory::MemoryLink;

pub(crate) fn main() -> Result<(), ProfileError> {
    // The code under test would be a flasher; here its frames are written out.
    let module = Module::builder(Profile::builtin("xt-zb2")?).start(Start::Loader).build();
    let mut link = MemoryLink::new(module, 2_000_000);

    assert_eq!(link.exchange(&[0x55; 600]), b"OK", "handshake: 3 ms of 55h");
    assert_eq!(link.exchange(&[0x36, 0, 0, 0]), [b'O', b'K', 4, 0, 0xc2, 0x20, 0x14, 0x80], "JEDEC id");
    assert_eq!(link.exchange(b"\x31\x00\x09\x00\x00\x10\x00\x00hello"), b"OK", "write 5 bytes at 1000h");
    assert_eq!(link.exchange(&[0x3a, 0, 0, 0]), b"OK", "write check");

    let mut written = [0; 5];
    link.module().flash().read(0x1000, &mut written);
    assert_eq!(&written, b"hello");
    assert_eq!(link.module().otp().burn_count(), 0, "no fuse was burnt");
    println!("flashed {} bytes in {} of module time", written.len(), link.module().now());
    Ok(())
}
