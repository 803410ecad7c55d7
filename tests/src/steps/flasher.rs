//! What a person does with the flasher.

use std::sync::Arc;

use bl702_flasher::event::{Event, Phase};
use bl702_flasher::flow::{self, After};
use bl702_flasher::plan::{FlashRange, Piece, Pieces};
use bl702_flasher::reset;
use cucumber::{given, when};

use crate::images;
use crate::words::{Address, Number, Size};
use crate::world::{Done, Step, Trouble, World, wrong};

#[given("a flasher without a RAM loader image")]
fn no_loader(world: &mut World) {
    world.flasher.has_loader = false;
}

#[given(expr = "a flasher that talks to the boot ROM at {number} baud")]
fn boot_baud(world: &mut World, baud: Number) {
    world.flasher.boot_baud_bps = Some(baud.0);
}

#[given("a flasher that is told that EN is on RTS and BOOT on DTR")]
fn told_wiring(world: &mut World) {
    world.flasher.wiring = Some(reset::Wiring::RtsEn);
}

#[given("a flasher that is told that DTR and RTS are inverted")]
fn told_inverted(world: &mut World) {
    world.flasher.adapter.invert = reset::Lines { dtr: true, rts: true };
}

#[given(expr = "a flasher that is told to reset by {string}")]
fn told_sequence(world: &mut World, text: String) -> Step {
    let sequence = text.parse().map_err(|error: reset::SequenceError| wrong(error.to_string()))?;
    world.flasher.wiring = Some(reset::Wiring::None);
    world.flasher.adapter.into_isp = Some(sequence);
    Ok(())
}

#[given("a flasher that is told to take the highest rate that works")]
fn told_highest_rate(world: &mut World) {
    (world.flasher.climb, world.flasher.baud_bps) = (true, Some(bl702_flasher::config::MOST_BAUD_BPS));
}

#[given("an image of the stock firmware for address 0")]
fn stock_image(world: &mut World) {
    world.image = Some((0, images::stock()));
}

#[given(expr = "an image of {size} for address {address}")]
fn image(world: &mut World, size: Size, address: Address) {
    world.image = Some((address.0, images::other(size.0 as usize, 1)));
}

#[given("an image of what the flash holds")]
fn image_of_the_flash(world: &mut World) -> Step {
    let bytes = world.first_flash()?;
    world.image = Some((0, bytes));
    Ok(())
}

#[given(expr = "an image of what the flash holds, but for one byte at {address}")]
fn image_with_a_difference(world: &mut World, address: Address) -> Step {
    let mut bytes = world.first_flash()?;
    bytes[address.0 as usize] ^= 0x10;
    world.image = Some((0, bytes));
    Ok(())
}

#[given(expr = "an image of the {size} that the flash holds at {address}")]
fn image_of_a_part(world: &mut World, size: Size, address: Address) -> Step {
    let (from, to) = (address.0 as usize, (address.0 + size.0) as usize);
    let bytes = world.first_flash()?[from..to].to_vec();
    world.image = Some((address.0, bytes));
    Ok(())
}

#[given(expr = "a flasher that is told that the flash has {size}")]
fn told_size(world: &mut World, size: Size) {
    world.flasher.flash_size = Some(size.0);
}

fn pieces(world: &World) -> Result<Pieces, Trouble> {
    let (address, bytes) = world.image.clone().ok_or_else(|| wrong("the scenario has no image"))?;
    let piece = Piece::new(u64::from(address), bytes).map_err(|error| wrong(error.to_string()))?;
    Pieces::new(vec![piece]).map_err(|error| wrong(error.to_string()))
}

fn range(size: Size, address: Address) -> Result<FlashRange, Trouble> {
    FlashRange::with_len(address.0, u64::from(size.0)).ok_or_else(|| wrong("the range leaves 16 MiB"))
}

#[when("I ask the module what it is")]
fn info(world: &mut World) -> Step {
    let done = |report| Done::Info(Box::new(report));
    world.flash_with(done, |link, options| flow::info(link, options, After::Reset))
}

#[when("I back up the flash")]
fn backup(world: &mut World) -> Step {
    world.flash_with(Done::Backup, |link, options| flow::backup(link, options, None, After::Reset))
}

#[when(expr = "I back up the flash at {number} baud")]
fn backup_at(world: &mut World, baud: Number) -> Step {
    world.flasher.baud_bps = Some(baud.0);
    backup(world)
}

#[when("I back up the flash and leave the RAM loader running")]
fn backup_and_stay(world: &mut World) -> Step {
    world.flash_with(Done::Backup, |link, options| flow::backup(link, options, None, After::Stay))
}

#[when(expr = "I back up {size} from {address}")]
fn backup_range(world: &mut World, size: Size, address: Address) -> Step {
    let range = range(size, address)?;
    world
        .flash_with(Done::Backup, move |link, options| flow::backup(link, options, Some(range), After::Reset))
}

#[when("I write the image")]
fn write(world: &mut World) -> Step {
    let pieces = pieces(world)?;
    world.flash_with(Done::Change, |link, options| flow::write(link, options, pieces, After::Reset))
}

#[when("I write the image, and the emulator is killed in the middle of it")]
fn write_killed(world: &mut World) -> Step {
    let pieces = pieces(world)?;
    let mut killer = Some(world.killer()?);
    let on_event = move |event: &Event| {
        if let Event::Progress { phase: Phase::Program, done_bytes, total_bytes } = event
            && done_bytes < total_bytes
            && let Some(killer) = killer.take()
        {
            killer.kill();
        }
    };
    let flow = |link, options: Arc<_>| flow::write(link, options, pieces, After::Reset);
    world.flash_and(Done::Change, flow, on_event)
}

#[when(expr = "I write {size} to {address} and {size} to {address}")]
fn write_two(world: &mut World, size: Size, address: Address, size_2: Size, address_2: Address) -> Step {
    let piece = |size: Size, address: Address, seed| {
        Piece::new(u64::from(address.0), images::other(size.0 as usize, seed))
            .map_err(|error| wrong(error.to_string()))
    };
    let both = vec![piece(size, address, 1)?, piece(size_2, address_2, 2)?];
    let pieces = Pieces::new(both).map_err(|error| wrong(error.to_string()))?;
    world.flash_with(Done::Change, |link, options| flow::write(link, options, pieces, After::Reset))
}

#[when("I verify the image")]
fn verify(world: &mut World) -> Step {
    let pieces = pieces(world)?;
    world.flash_with(Done::Verify, |link, options| flow::verify(link, options, pieces, After::Reset))
}

#[when(expr = "I erase {size} from {address}")]
fn erase(world: &mut World, size: Size, address: Address) -> Step {
    let range = range(size, address)?;
    world.flash_with(Done::Erase, move |link, options| flow::erase_range(link, options, range, After::Reset))
}

#[when("I erase the whole flash")]
fn erase_chip(world: &mut World) -> Step {
    world.flash_with(Done::Erase, |link, options| flow::erase_chip(link, options, After::Reset))
}

#[when("I restart the module")]
fn restart(world: &mut World) -> Step {
    world.flash_with(|()| Done::Reset, flow::reset)
}
