//! What is on the bench at the beginning, and what hands do to it.

use bl702_emulator::flash::FlashFaults;
use bl702_emulator::module::Start;
use bl702_emulator::profile::{Boot, Profile, Wiring};
use bl702_flasher::reset::Lines;
use cucumber::{given, then, when};

use crate::images;
use crate::target::{Lacks, Place};
use crate::vectors;
use crate::words::{Address, Number, Span};
use crate::world::{Step, World, wrong};

#[given("a healthy XT-ZB2 in programming mode")]
fn in_programming_mode(world: &mut World) -> Step {
    world.set_up(|setup| setup.boot = Boot::High)
}

#[given(expr = "a healthy board of the kind {string} in programming mode")]
fn other_board(world: &mut World, profile: String) -> Step {
    world.set_up(|setup| setup.profile = profile)
}

#[given("a healthy XT-ZB2 whose RAM loader is already running")]
fn loader_running(world: &mut World) -> Step {
    world.set_up(|setup| setup.start = Start::Loader)
}

#[given("a healthy XT-ZB2 with BOOT tied low")]
fn boot_tied_low(world: &mut World) -> Step {
    world.set_up(|setup| setup.boot = Boot::Low)
}

/// Lines as the vendor's tools use them; released lines leave the module in programming mode.
#[given("a healthy XT-ZB2 with EN on RTS and BOOT on DTR")]
fn vendor_wiring(world: &mut World) -> Step {
    world.set_up(|setup| (setup.wiring, setup.boot) = (Wiring::RtsEn, Boot::Dtr))
}

#[given("a healthy XT-ZB2 with EN on DTR and BOOT on RTS")]
fn swapped_wiring(world: &mut World) -> Step {
    world.set_up(|setup| (setup.wiring, setup.boot) = (Wiring::DtrEn, Boot::Rts))
}

#[given("an adapter whose DTR and RTS are inverted")]
fn inverted_adapter(world: &mut World) -> Step {
    world.set_up(|setup| setup.invert = Lines { dtr: true, rts: true })
}

#[given("the module lives in a process of its own")]
fn own_process(world: &mut World) -> Step {
    world.set_up(|setup| setup.place = Place::OwnProcess)
}

#[given("its flash is empty")]
fn flash_is_empty(world: &mut World) -> Step {
    world.set_up(|setup| setup.flash = Some(Vec::new()))
}

#[given("its flash holds the reference pattern")]
fn flash_holds_the_pattern(world: &mut World) -> Step {
    let capacity = Profile::builtin(&world.setup.profile)
        .map(|profile| profile.flash_part.capacity_bytes)
        .map_err(|error| wrong(error.to_string()))?;
    world.set_up(|setup| setup.flash = Some(images::pattern(capacity as usize)))
}

#[given("its flash holds the stock firmware")]
fn flash_holds_the_stock_firmware(world: &mut World) -> Step {
    world.set_up(|setup| setup.flash = Some(images::stock()))
}

#[given(expr = "its fuses are those of the reference vector {string}")]
fn fuses_of_a_vector(world: &mut World, name: String) -> Step {
    let fuses = vectors::row(&name).efuse().ok_or_else(|| wrong(format!("row {name:?} names no fuses")))?;
    world.set_up(|setup| setup.fuses = Some(fuses))
}

/// Bits of `sw_usage_0`, fuse word 10h (ROM reference 1.8).
#[given(expr = "its fuse {word} is burnt")]
fn fuse_is_burnt(world: &mut World, name: String) -> Step {
    let bit = match name.as_str() {
        "tz_boot" => 20,
        "mediaboot_disable" => 24,
        "uartboot_disable" => 25,
        "hbn_jump_disable" => 27,
        _ => return Err(wrong(format!("no fuse is called {name}"))),
    };
    let profile = Profile::builtin(&world.setup.profile).map_err(|error| wrong(error.to_string()))?;
    let mut fuses = world.setup.fuses.unwrap_or(profile.efuse);
    fuses[0x10 + bit / 8] |= 1 << (bit % 8);
    world.set_up(|setup| setup.fuses = Some(fuses))
}

/// On a bench the scenario can be run only once for each module.
#[given(expr = "its fuses {address} to {address} are blank")]
fn blank_fuses(world: &mut World, from: Address, to: Address) -> Step {
    let range = from.0 as usize..to.0 as usize + 1;
    if range.is_empty() || range.end > 128 {
        return Err(wrong("there are fuses 0x0 to 0x7F"));
    }
    world.set_up(|setup| setup.blank_fuses.push(range))
}

/// Not so on a chip that never was in a module factory.
#[given("its MAC address is write-locked, as the factory leaves it")]
fn locked_mac(world: &mut World) -> Step {
    world.set_up(|setup| setup.locked_mac = true)
}

/// A mode of the emulator's catalogue (`bl702-emu faults`).
#[given(expr = "the fault {string}")]
fn fault(world: &mut World, name: String) -> Step {
    world.set_up(|setup| setup.faults.push(name))
}

#[then("the fault has shown")]
fn fault_fired(world: &mut World) -> Step {
    let report = world.need(|target| Ok::<_, Lacks>(target.module_mut()?.fault_report()))?;
    match report.faults.iter().find(|fault| fault.fired == 0) {
        None => Ok(()),
        Some(fault) => Err(wrong(format!("{} never fired", fault.name))),
    }
}

#[given("its flash refuses to be erased")]
fn erase_fails(world: &mut World) -> Step {
    inject(world, FlashFaults { erase: true, ..FlashFaults::default() })
}

#[given("its flash refuses to be programmed")]
fn program_fails(world: &mut World) -> Step {
    inject(world, FlashFaults { program: true, ..FlashFaults::default() })
}

fn inject(world: &mut World, faults: FlashFaults) -> Step {
    world.need(|target| {
        target.module_mut()?.flash_mut().set_faults(faults);
        Ok::<(), Lacks>(())
    })
}

#[when("EN is pulled low")]
fn enable_low(world: &mut World) -> Step {
    world.need(|target| target.set_enable(false))
}

#[when("EN is released")]
fn enable_high(world: &mut World) -> Step {
    world.need(|target| target.set_enable(true))
}

#[when(expr = "EN is pulled low for {span}")]
fn enable_pulse(world: &mut World, span: Span) -> Step {
    enable_low(world)?;
    silent(world, span)?;
    enable_high(world)
}

#[when("BOOT is tied low")]
fn boot_low(world: &mut World) -> Step {
    world.need(|target| target.set_boot(false))
}

#[when("BOOT is tied high")]
fn boot_high(world: &mut World) -> Step {
    world.need(|target| target.set_boot(true))
}

#[when("the power is switched off")]
fn power_off(world: &mut World) -> Step {
    world.need(|target| target.set_power(false))
}

#[when("the power is switched on")]
fn power_on(world: &mut World) -> Step {
    world.need(|target| target.set_power(true))
}

/// Whatever the module says meanwhile is an answer that a step has to look at.
#[when(expr = "the host stays silent for {span}")]
fn silent(world: &mut World, span: Span) -> Step {
    let heard = crate::host::listen(world.target()?.port(), span.0)?;
    if !heard.is_empty() {
        world.answers.push(heard);
    }
    Ok(())
}

#[when("the emulator is killed and started again")]
fn killed(world: &mut World) -> Step {
    world.killer()?.kill();
    started_again(world)
}

#[when("the emulator is started again")]
fn started_again(world: &mut World) -> Step {
    world.need(|target| target.restart())
}

#[then("no fuse was burnt")]
fn no_burns(world: &mut World) -> Step {
    burns(world, Number(0))
}

#[then(expr = "exactly {number} fuses were burnt")]
fn burns(world: &mut World, count: Number) -> Step {
    world.expected_burns = count.0;
    match world.need(|target| target.burnt_fuses())? {
        burnt if burnt == count.0 => Ok(()),
        burnt => Err(wrong(format!("{burnt} fuses were burnt"))),
    }
}
