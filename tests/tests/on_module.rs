//! Changes of a module's flash as a whole: what re-flashing costs, and that a partition table survives a cut at any moment.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use bl702_emulator::module::Module;
use bl702_emulator::profile::Profile;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::Error;
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After, ChangeMode, InstallReport};
use bl702_flasher::loader::LoaderImage;
use bl702_flasher::partition::{Layout, from_toml};
use bl702_flasher::plan::{Piece, Pieces};
use bl702_flasher::port::emulated::EmulatedPort;
use bl702_harness::images;
use bl702_harness::proof::bench::{Bench, PowerCut};
use bl702_protocol::image::partition::{PartitionTable, select};
use bl702_protocol::time::Nanos;
use rstest::rstest;

const FLASH_BYTES: usize = 1024 * 1024;
const BOOT_BAUD_BPS: u32 = 500_000;

fn module(flash: &[u8]) -> Module {
    Module::builder(Profile::builtin("xt-zb2").unwrap()).flash(flash.to_vec()).build()
}

fn options() -> Arc<ConnectOptions> {
    let loader = LoaderImage::from_file(&images::made_up_loader()).unwrap();
    Arc::new(ConnectOptions { loader: Some(Arc::new(loader)), has_lines: true, ..ConnectOptions::default() })
}

/// Module time from the moment at which the RAM loader knows its flash to the end of the work.
fn time_of_writing(before: &[u8], image: &[u8]) -> Nanos {
    let mut port = EmulatedPort::new(module(before), BOOT_BAUD_BPS);
    let pieces = Pieces::new(vec![Piece::new(0, image.to_vec()).unwrap()]).unwrap();
    let (mut up, mut end) = (None, None);
    let on_event = |at, event| match event {
        Event::Flash { .. } => up = Some(at),
        Event::ResetByCommand => end = Some(at),
        _ => {}
    };
    let flow = |link| flow::write(link, options(), pieces, After::Reset);
    driver::run(&mut port, BOOT_BAUD_BPS, flow, on_event, || false).unwrap();
    assert!(port.module().flash().dump() == image, "the flash does not hold the image");
    assert_eq!(port.module().otp().burn_count(), 0);
    end.unwrap().since(up.unwrap())
}

/// What is promised (at 2,000,000 baud, in the chip's own time): an identical image of 1 MiB in half a second, one sector
/// that differs in a second.
#[rstest]
#[case::identical(None, Nanos::from_millis(500))]
#[case::a_sector_at_the_beginning(Some(0x10), Nanos::from_millis(1000))]
#[case::a_sector_in_the_middle(Some(0x8_4567), Nanos::from_millis(1000))]
#[case::a_sector_at_the_end(Some(0xF_FFFF), Nanos::from_millis(1000))]
fn flashing_again_costs_little(#[case] changed: Option<usize>, #[case] most: Nanos) {
    let before = images::other(FLASH_BYTES, 3);
    let mut image = before.clone();
    if let Some(at) = changed {
        image[at] ^= 0x40;
    }
    let took = time_of_writing(&before, &image);
    assert!(took <= most, "it took {took}");
    // It is not for nothing either: at least the whole was hashed.
    assert!(took > Nanos::from_millis(100), "it took {took}");
}

fn layout() -> Layout {
    let text = "[pt_table]\naddress0 = 0x1000\naddress1 = 0x2000\n\n[[pt_entry]]\ntype = 0\nname = \"FW\"\naddress0 = 0x10000\nsize0 = 0x80000\naddress1 = 0\nsize1 = 0\nlen = 0\n";
    from_toml(text).unwrap()
}

fn install(bench: &mut Bench) -> Result<InstallReport, Error> {
    let flow =
        |link| flow::install_table(link, options(), layout(), false, ChangeMode::default(), After::Reset);
    driver::run(bench, BOOT_BAUD_BPS, flow, |_, _| (), || false)
}

fn bench() -> Bench {
    Bench::new(EmulatedPort::new(module(&images::stock()), BOOT_BAUD_BPS))
}

fn cells(bench: &Bench) -> Vec<u8> {
    bench.port().module().flash().dump()
}

/// The table that boot2 would take: always the old one or the new one, whenever the supply was cut for good.
#[test]
fn a_table_is_there_at_every_moment_of_putting_a_new_one() {
    let mut watched = bench().watch_flash();
    install(&mut watched).unwrap();
    let mut moments = BTreeSet::new();
    for operation in watched.operations() {
        let span = operation.done - operation.start;
        moments.extend([
            operation.start,
            operation.start + span.scale(0.05),
            operation.start + span.scale(0.5),
            operation.start + span.scale(0.95),
            operation.done,
        ]);
    }
    assert!(moments.len() >= 16, "two copies are erased and programmed: {moments:?}");
    let old = PartitionTable::parse(&images::stock()[0x1000..]).unwrap();
    let new = PartitionTable { age: old.age + 1, ..layout().table };
    let mut seen = BTreeSet::new();
    for at in moments {
        let mut bench = bench().cut_power(vec![PowerCut { at, back: None }]);
        assert!(install(&mut bench).is_err(), "cut at {at}");
        let flash = cells(&bench);
        let counts = select(&flash[0x1000..], &flash[0x2000..]).unwrap_or_else(|errors| {
            panic!("cut at {at}: no good table: {errors:?}");
        });
        assert!(counts.table == old || counts.table == new, "cut at {at}: {:?}", counts.table);
        seen.insert(counts.table.age);
        assert!(flash[0x3000..0x5000] == images::stock()[0x3000..], "cut at {at}: the firmware was hit");
        // And the next run finishes it.
        bench.mend();
        let report = install(&mut bench).unwrap();
        assert_eq!(report.table.entries, new.entries);
        let flash = cells(&bench);
        assert_eq!(flash[0x1000..0x2000], flash[0x2000..0x3000], "cut at {at}");
        assert_eq!(bench.port().module().otp().burn_count(), 0);
    }
    assert_eq!(seen, BTreeSet::from([old.age, new.age]), "both came to count");
}
