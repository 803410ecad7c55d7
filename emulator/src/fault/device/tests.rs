//! Device faults in a whole module: what a host at the port sees, and what the report says of it.

use bl702_protocol::image::boot_header::BOOT_HEADER_LEN;
use bl702_protocol::time::Nanos;
use rstest::rstest;

use super::{CRYSTAL, HANG, PLL};

use crate::fault::{DeviceEffect, Effect, Fault, FaultPlan, FaultReport, FloatOr, LineLevel, Span, When};
use crate::flash::{Flash, FlashPart};
use crate::module::{Module, Running, Start};
use crate::profile::Profile;
use crate::rom::RomState;
use crate::transport::memory::MemoryLink;

const HANDSHAKE: [u8; 300] = [0x55; 300];
const JEDEC_ID: [u8; 4] = [0x36, 0, 0, 0];
const BOOT_INFO: [u8; 4] = [0x10, 0, 0, 0];
/// 30h over the first sector.
const ERASE: [u8; 12] = [0x30, 0, 8, 0, 0, 0, 0, 0, 0xff, 0x0f, 0, 0];
/// 31h of two bytes to address 0.
const WRITE: [u8; 10] = [0x31, 0, 6, 0, 0, 0, 0, 0, 0x12, 0x34];
/// 32h of two bytes from address 0.
const READ: [u8; 12] = [0x32, 0, 8, 0, 0, 0, 0, 0, 2, 0, 0, 0];

fn plan(effect: DeviceEffect, when: When) -> FaultPlan {
    [Fault::new(Effect::Device(effect)).when(when)].into_iter().collect()
}

fn module(effect: DeviceEffect, when: When, start: Start, boot_high: bool) -> Module {
    Module::builder(Profile::builtin("xt-zb2").unwrap())
        .faults(plan(effect, when))
        .start(start)
        .boot_high(boot_high)
        .seed(3)
        .build()
}

fn rom(effect: DeviceEffect) -> MemoryLink {
    MemoryLink::new(module(effect, When::always(), Start::Rom, true), 500_000)
}

/// A session with the RAM loader, which runs already.
fn loader(effect: DeviceEffect, when: When) -> MemoryLink {
    let mut link = MemoryLink::new(module(effect, when, Start::Loader, true), 500_000);
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    link
}

/// How often the only fault fired, and on what first.
fn fired(report: &FaultReport) -> (u64, &str) {
    let [fault] = &report.faults[..] else { panic!("{report:?}") };
    assert_eq!(fault.seam, "device");
    (fault.fired, fault.first.as_ref().map_or("", |first| &first.on))
}

fn sw_usage_0(bits: u32) -> DeviceEffect {
    DeviceEffect::Fuses { offset: 0x10, bits }
}

/// A boot header without hash, CRC, signature or encryption, as of the vendor's loader.
fn boot_header() -> Vec<u8> {
    let mut header = vec![0; BOOT_HEADER_LEN];
    header[..5].copy_from_slice(b"BFNP\x01");
    header[0x74..0x78].copy_from_slice(&0x0003_0300_u32.to_le_bytes());
    header[0x78] = 1;
    header[0x80..0x84].copy_from_slice(&0x2201_0000_u32.to_le_bytes());
    for at in [0x84, 0xac] {
        header[at..at + 4].copy_from_slice(&0xdead_beef_u32.to_le_bytes());
    }
    [&[0x11, 0, 176, 0][..], &header].concat()
}

#[rstest]
#[case::healthy(0x00, 0, b"OK", 0)]
#[case::signed(0x00, 0x04, b"FL\x06\x02", 1)]
#[case::encrypted(0x00, 0x81, b"FL\x05\x02", 1)]
#[case::both(0x00, 0x85, b"FL\x05\x02", 1)]
fn fuses_that_demand_signed_or_encrypted_images(
    #[case] offset: u8,
    #[case] bits: u32,
    #[case] answer: &[u8],
    #[case] fires: u64,
) {
    let mut link = rom(DeviceEffect::Fuses { offset, bits });
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(fired(&link.module().fault_report()), (0, ""));
    assert_eq!(link.exchange(&boot_header()), answer);
    assert_eq!(fired(&link.module().fault_report()).0, fires);
    assert_eq!(link.module().otp().burn_count(), 0);
    let profile = Profile::builtin("xt-zb2").unwrap();
    assert_eq!(link.module().otp().lasting_fuses(), profile.efuse(), "no file learns of it");
}

#[rstest]
#[case::write(&[0x50, 0, 8, 0, 0, 0, 1, 0x22, 1, 0, 0, 0], b"FL\x01\x05", "command 50h in the boot ROM")]
#[case::read(&[0x51, 0, 8, 0, 0, 0, 1, 0x22, 4, 0, 0, 0], b"FL\x04\x05", "command 51h in the boot ROM")]
fn fuses_that_close_the_memory(#[case] request: &[u8], #[case] answer: &[u8], #[case] on: &str) {
    let mut link = rom(sw_usage_0(1 << 20));
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(link.exchange(request), answer);
    assert_eq!(fired(&link.module().fault_report()), (1, on));
}

#[test]
fn boot_info_tells_of_fuses() {
    let mut link = rom(DeviceEffect::Fuses { offset: 0x00, bits: 0x04 });
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(link.exchange(&BOOT_INFO)[8], 1);
    assert_eq!(fired(&link.module().fault_report()), (1, "the boot ROM answering boot info"));
}

#[test]
fn a_module_without_uart_boot_never_answers() {
    let mut link = rom(sw_usage_0(1 << 25));
    for _ in 0..10 {
        assert_eq!(link.exchange(&HANDSHAKE), b"");
    }
    assert_eq!(link.module().running(), Running::Rom(RomState::UartDisabled));
    assert_eq!(fired(&link.module().fault_report()), (1, "the boot ROM choosing where to boot from"));
}

#[rstest]
#[case::low_pin(false, 1)]
#[case::high_pin(true, 0)]
fn a_module_without_media_boot_is_in_isp_whatever_the_pin_says(#[case] boot_high: bool, #[case] fires: u64) {
    let module = module(sw_usage_0(1 << 24), When::always(), Start::Rom, boot_high);
    let mut link = MemoryLink::new(module, 500_000);
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(fired(&link.module().fault_report()).0, fires);
}

/// The four writes that start an image in RAM, which holds one word of it and the clock byte.
fn start_image(link: &mut MemoryLink, clock: u8) {
    let mut request = vec![0x50, 0, 48, 0];
    let pairs: [(u32, u32); 6] = [
        (0x2201_0000, 0x1234_5678),
        (0x2201_00e0, u32::from(clock)),
        (0x4000_f100, 0x4e42_4845),
        (0x4000_f104, 0x2201_0000),
        (0x4000_0018, 0),
        (0x4000_0018, 2),
    ];
    for (address, value) in pairs {
        request.extend([address.to_le_bytes(), value.to_le_bytes()].concat());
    }
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(link.exchange(&request), b"");
}

#[rstest]
#[case::fuse(sw_usage_0(1 << 27), 1, Running::Firmware, "the boot ROM woken to jump to RAM")]
#[case::register(DeviceEffect::Register { address: 0x4000_f104, value: 0 }, 1, Running::Firmware, "reading the register 4000f104h")]
#[case::pll(DeviceEffect::PllNeverLocks, 1, Running::Dead(PLL), "the RAM loader setting its clock")]
#[case::pll_of_the_rc_image(
    DeviceEffect::PllNeverLocks,
    2,
    Running::Dead(PLL),
    "the RAM loader setting its clock"
)]
#[case::crystal(DeviceEffect::CrystalDead, 1, Running::Dead(CRYSTAL), "the RAM loader setting its clock")]
fn an_uploaded_loader_that_never_answers(
    #[case] effect: DeviceEffect,
    #[case] clock: u8,
    #[case] runs: Running,
    #[case] on: &str,
) {
    let mut link = rom(effect);
    start_image(&mut link, clock);
    assert_eq!(link.exchange(&HANDSHAKE), b"");
    assert_eq!(link.module().running(), runs);
    assert_eq!(fired(&link.module().fault_report()), (1, on));
}

#[test]
fn the_rc_image_runs_without_a_crystal() {
    let mut link = rom(DeviceEffect::CrystalDead);
    start_image(&mut link, 2);
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(link.exchange(&JEDEC_ID), b"OK\x04\0\xc2\x20\x14\x80");
    assert_eq!(fired(&link.module().fault_report()).0, 0);
}

#[rstest]
#[case::unknown_to_the_loader(DeviceEffect::FlashUnknown, [0xc2, 0x20, 0x14, 0x00])]
#[case::other_id_unknown(DeviceEffect::JedecId { id: [0x1c, 0x70, 0x14] }, [0x1c, 0x70, 0x14, 0x00])]
#[case::other_id_known(DeviceEffect::JedecId { id: [0xef, 0x40, 0x15] }, [0xef, 0x40, 0x15, 0x80])]
#[case::other_part(DeviceEffect::FlashPart { part: "GD25Q16E".to_owned() }, [0xc8, 0x40, 0x15, 0x80])]
#[case::all_ones(DeviceEffect::FlashDead { level: LineLevel::High }, [0xff, 0xff, 0xff, 0x00])]
#[case::all_zeros(DeviceEffect::FlashDead { level: LineLevel::Low }, [0x00, 0x00, 0x00, 0x00])]
fn the_jedec_id_of_a_flash_that_is_not_as_it_should_be(#[case] effect: DeviceEffect, #[case] id: [u8; 4]) {
    let mut link = loader(effect, When::always());
    assert_eq!(link.exchange(&JEDEC_ID), [&b"OK\x04\0"[..], &id].concat());
    assert_eq!(fired(&link.module().fault_report()).0, 1);
}

#[rstest]
#[case::erase_fails(DeviceEffect::EraseFails, b"PDFL\x03\0", b"OK", &[0x12, 0x34])]
#[case::erase_lies(DeviceEffect::EraseLies, b"PDOK", b"OK", &[0x12, 0x34])]
#[case::program_fails(DeviceEffect::ProgramFails, b"PDOK", b"OKFL\x06\0", &[0xff, 0xff])]
#[case::program_lies(DeviceEffect::ProgramLies, b"PDOK", b"OK", &[0xff, 0xff])]
#[case::write_enable(DeviceEffect::WriteEnableFails, b"PDFL\x03\0", b"OKFL\x06\0", &[0xff, 0xff])]
#[case::protected(DeviceEffect::Protected, b"PDOK", b"OK", &[0xff, 0xff])]
#[case::slow_erase(DeviceEffect::SlowErase { factor: 7 }, b"PDOK", b"OK", &[0x12, 0x34])]
#[case::too_slow_erase(DeviceEffect::SlowErase { factor: 8 }, b"PDFL\x03\0", b"OKFL\x06\0", &[0xff, 0xff])]
#[case::stays_busy(DeviceEffect::StaysBusy, b"PDFL\x03\0", b"OKFL\x06\0", &[0xff, 0xff])]
#[case::dead(DeviceEffect::FlashDead { level: LineLevel::High }, b"PDFL\x03\0", b"OKFL\x06\0", &[0xff, 0xff])]
#[case::stuck(DeviceEffect::StuckBits { mask: 0x80, ones: true }, b"PDOK", b"OK", &[0x92, 0xb4])]
fn what_the_loader_answers_over_a_sick_flash(
    #[case] effect: DeviceEffect,
    #[case] erase: &[u8],
    #[case] write: &[u8],
    #[case] cells: &[u8],
) {
    // The start of the loader is left alone, or the part would be busy before the first command.
    let when = match effect {
        DeviceEffect::StaysBusy => When { address: Some(Span { from: 1, to: 0x10_0000 }), ..When::always() },
        _ => When::always(),
    };
    let mut link = loader(effect, when);
    assert_eq!(link.exchange(&ERASE), erase);
    assert_eq!(link.exchange(&WRITE), write);
    assert_eq!(link.exchange(&READ), [b"OK\x02\0", cells].concat());
    assert!(fired(&link.module().fault_report()).0 > 0);
}

/// 3Dh of the first sector.
const HASH: [u8; 12] = [0x3d, 0, 8, 0, 0, 0, 0, 0, 0, 0x10, 0, 0];

#[rstest]
#[case::weak(DeviceEffect::WeakBits { mask: 0x01 }, false)]
#[case::stuck(DeviceEffect::StuckBits { mask: 0x01, ones: false }, false)]
#[case::dead(DeviceEffect::FlashDead { level: LineLevel::Low }, false)]
#[case::slow(DeviceEffect::SlowErase { factor: 2 }, true)]
fn the_loader_hashes_what_it_reads(#[case] effect: DeviceEffect, #[case] as_it_should_be: bool) {
    let mut link = loader(effect, When::always());
    let answer = link.exchange(&HASH);
    assert_eq!(answer[..4], *b"OK\x20\0");
    let erased = Flash::new(FlashPart::by_name("KH25V80").unwrap()).sha256(0, 0x1000);
    assert_eq!(answer[4..] == erased, as_it_should_be);
}

#[test]
fn the_rom_waits_for_its_driver_too() {
    let mut link = rom(DeviceEffect::EraseFails);
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    let before = link.module().now();
    assert_eq!(link.exchange(&ERASE), b"FL\x03\0");
    assert!(link.module().now().since(before) > Nanos::from_millis(450));
}

#[test]
fn a_loader_that_hangs_in_its_second_erase() {
    let when = When { command: Some(0x30), nth: Some(2), ..When::always() };
    let mut link = loader(DeviceEffect::LoaderHangs, when);
    assert_eq!(link.exchange(&ERASE), b"PDOK");
    assert_eq!(link.exchange(&ERASE), b"");
    assert_eq!(link.module().running(), Running::Dead(HANG));
    link.pause(Nanos::from_secs(5));
    assert_eq!(link.exchange(&HANDSHAKE), b"");
    assert_eq!(fired(&link.module().fault_report()), (1, "command 30h"));
}

#[rstest]
#[case::low(FloatOr::Low, true, false)]
#[case::high(FloatOr::High, false, true)]
fn a_boot_pin_that_follows_nobody(#[case] level: FloatOr, #[case] boot_high: bool, #[case] isp: bool) {
    let mut module = module(DeviceEffect::BootPin { level }, When::always(), Start::Rom, boot_high);
    module.advance(Nanos::from_millis(50));
    assert_eq!(matches!(module.running(), Running::Rom(_)), isp);
    assert_eq!(
        fired(&module.fault_report()),
        (
            1,
            &*format!("the boot ROM samples BOOT: {level:?}")
                .to_lowercase()
                .replace("boot rom", "boot ROM")
                .replace("samples boot", "samples BOOT")
        )
    );
}

#[test]
fn a_floating_boot_pin_is_anyones_guess_but_the_seeds() {
    let resets = || {
        let effect = DeviceEffect::BootPin { level: FloatOr::Floating };
        let mut module = module(effect, When::always(), Start::Rom, true);
        (1..40_u64)
            .map(|n| {
                module.set_enable(Nanos::from_millis(100 * n), false);
                module.set_enable(Nanos::from_millis(100 * n + 10), true);
                module.advance(Nanos::from_millis(100 * n + 90));
                matches!(module.running(), Running::Rom(_))
            })
            .collect::<Vec<_>>()
    };
    let isp = resets();
    assert!(isp.contains(&true) && isp.contains(&false));
    assert_eq!(resets(), isp);
}

#[test]
fn en_that_is_held_low_keeps_the_module_off() {
    let mut link = rom(DeviceEffect::EnableHeld);
    assert_eq!(link.exchange(&HANDSHAKE), b"");
    let now = link.module().now();
    link.module_mut().set_enable(now, false);
    link.module_mut().set_enable(now + Nanos::from_millis(10), true);
    assert_eq!(link.module().running(), Running::Nothing);
    assert_eq!(fired(&link.module().fault_report()), (1, "bytes come while EN is held low"));
}

#[test]
fn a_loader_that_runs_already() {
    let mut link = rom(DeviceEffect::LoaderRuns);
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(link.exchange(&BOOT_INFO)[4..8], [0xff; 4]);
    assert_eq!(
        fired(&link.module().fault_report()),
        (1, "bytes come to a RAM loader that was running already")
    );
    let now = link.module().now();
    link.module_mut().set_enable(now, false);
    link.module_mut().set_enable(now + Nanos::from_millis(10), true);
    link.pause(Nanos::from_millis(50));
    assert_eq!(link.exchange(&HANDSHAKE), b"OK");
    assert_eq!(link.exchange(&BOOT_INFO)[4..8], [1, 0, 2, 7], "not after a reset");
}
