//! A module with BOOT low, seen from its pins.
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use bl702_emulator::Nanos;
use bl702_emulator::flash::EraseUnit;
use bl702_emulator::line::Burst;
use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;

const STOCK: &[u8] = include_bytes!("../../fixtures/images/made-up-stock-flash.bin");

fn module(flash: &[u8]) -> Module {
    Module::builder(Profile::builtin("xt-zb2").unwrap()).flash(flash.to_vec()).boot_high(false).build()
}

/// What comes out of TX from now on for a second, and the rates it comes at.
fn listen(module: &mut Module) -> (String, Vec<u32>) {
    let until = module.now() + Nanos::from_secs(1);
    module.advance(until);
    let mut text = Vec::new();
    let mut rates = Vec::new();
    while let Some(burst) = module.transmit() {
        text.extend(burst.bytes);
        rates.push(burst.baud_bps);
    }
    rates.dedup();
    (String::from_utf8(text).unwrap(), rates)
}

#[test]
fn a_stock_module_prints_its_log_at_every_restart_and_never_answers() {
    let mut module = module(STOCK);
    for _ in 0..2 {
        let (text, rates) = listen(&mut module);
        assert!(text.starts_with("Starting bl702 now....\r\nBooting BL702 Chip...\r\n"), "{text}");
        assert!(text.contains("crc32 0x5F173B2D"), "{text}");
        assert_eq!(rates, [2_000_000]);
        module.receive(Burst { start: module.now(), baud_bps: 500_000, bytes: vec![0x55; 150] });
        assert_eq!(listen(&mut module), (String::new(), vec![]));
        module.set_enable(module.now(), false);
        assert_eq!(listen(&mut module), (String::new(), vec![]));
        module.set_enable(module.now(), true);
    }
}

#[test]
fn an_erased_module_is_silent_for_ever() {
    let mut module = module(&[]);
    for _ in 0..10 {
        assert_eq!(listen(&mut module), (String::new(), vec![]));
    }
}

#[test]
fn a_module_whose_tables_were_erased_falls_silent_at_the_next_restart() {
    let mut module = module(STOCK);
    assert!(!listen(&mut module).0.is_empty());
    for address in [0x1000, 0x2000] {
        let now = module.now();
        let done = module.flash_mut().begin_erase(now, EraseUnit::Sector4K, address).unwrap();
        module.advance(done);
    }
    module.set_enable(module.now(), false);
    module.set_enable(module.now(), true);
    assert_eq!(listen(&mut module), (String::new(), vec![]));
}
