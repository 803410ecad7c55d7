//! What the flasher reports: successes, errors, what it found out and what it had to do.

use bl702_flasher::event::Event;
use bl702_protocol::boot_info::BootInfo;
use cucumber::then;

use crate::words::{Number, Size};
use crate::world::{Done, Step, World, wrong};

#[then("the flasher succeeds")]
fn succeeds(world: &mut World) -> Step {
    world.done().map(|_| ())
}

#[then(expr = "the flasher gives up with exit status {number}")]
fn gives_up(world: &mut World, exit: Number) -> Step {
    let failure = world.failure()?;
    if u32::from(failure.exit) == exit.0 {
        return Ok(());
    }
    Err(wrong(format!("it gave up with exit status {}: {failure:?}", failure.exit)))
}

#[then(expr = "it says {string}")]
fn says(world: &mut World, text: String) -> Step {
    let failure = world.failure()?;
    if failure.message.contains(&text) {
        return Ok(());
    }
    Err(wrong(format!("it said {:?}", failure.message)))
}

#[then("it says which chip id this module has")]
fn says_chip_id(world: &mut World) -> Step {
    let chip_id = world.target()?.chip_id();
    says(world, format!("this module has {chip_id}"))
}

#[then(expr = "it says that the flash is {string}")]
fn says_flash_state(world: &mut World, text: String) -> Step {
    let failure = world.failure()?;
    if failure.flash.contains(&text) {
        return Ok(());
    }
    Err(wrong(format!("it said {:?}", failure.flash)))
}

#[then(expr = "it names as the likely cause {string}")]
fn names_cause(world: &mut World, text: String) -> Step {
    let failure = world.failure()?;
    if failure.cause.contains(&text) {
        return Ok(());
    }
    Err(wrong(format!("it named {:?}", failure.cause)))
}

#[then(expr = "it says that the module {string}")]
fn says_module_state(world: &mut World, text: String) -> Step {
    let failure = world.failure()?;
    if failure.module.contains(&text) {
        return Ok(());
    }
    Err(wrong(format!("it said {:?}", failure.module)))
}

#[then(expr = "it advises {string}")]
fn advises(world: &mut World, text: String) -> Step {
    let failure = world.failure()?;
    if failure.advice.contains(&text) {
        return Ok(());
    }
    Err(wrong(format!("it advised {:?}", failure.advice)))
}

#[then("it is a BL702 with the module's own chip id")]
fn chip_id(world: &mut World) -> Step {
    let expected = world.target()?.chip_id();
    let Done::Info(report) = world.done()? else { return Err(wrong("nobody asked what it is")) };
    let BootInfo::Rom(rom) = &report.boot_info else { return Err(wrong("a RAM loader answered")) };
    if rom.is_bl702() && rom.chip_id_text() == expected {
        return Ok(());
    }
    Err(wrong(format!("version {:08x}, chip id {}, expected {expected}", rom.version, rom.chip_id_text())))
}

#[then(expr = "its flash is {string} and has {size}")]
fn flash_id(world: &mut World, jedec: String, size: Size) -> Step {
    let Done::Info(report) = world.done()? else { return Err(wrong("nobody asked what it is")) };
    let flash = report.flash.as_ref().ok_or_else(|| wrong(format!("unknown: {:?}", report.no_flash)))?;
    if flash.jedec.to_string() == jedec && flash.size_bytes == size.0 && flash.identified {
        return Ok(());
    }
    Err(wrong(format!("{flash:?}")))
}

#[then(expr = "its flash was not looked at, because {string}")]
fn no_flash(world: &mut World, text: String) -> Step {
    let Done::Info(report) = world.done()? else { return Err(wrong("nobody asked what it is")) };
    let reason = report.no_flash.as_ref().map(ToString::to_string).unwrap_or_default();
    if report.flash.is_none() && reason.contains(&text) {
        return Ok(());
    }
    Err(wrong(format!("flash {:?}, reason {reason:?}", report.flash)))
}

#[then(expr = "the RAM loader talked at {number} baud in the end")]
fn talked_at(world: &mut World, baud: Number) -> Step {
    let measured = world.events.iter().rev().find_map(|event| match event {
        Event::LinkMeasured { baud_bps, .. } => Some(*baud_bps),
        _ => None,
    });
    if measured == Some(baud.0) { Ok(()) } else { Err(wrong(format!("it talked at {measured:?} baud"))) }
}

#[then("nothing was erased or programmed")]
fn nothing_done(world: &mut World) -> Step {
    changed(world, Size(0), Size(0))
}

#[then(expr = "{size} were erased and {size} programmed")]
fn changed(world: &mut World, erased: Size, programmed: Size) -> Step {
    let report = match world.done()? {
        Done::Change(report) => report,
        Done::Erase(report) => {
            report.change.as_ref().ok_or_else(|| wrong("the whole flash was erased by its own command"))?
        }
        other => return Err(wrong(format!("not a change of the flash: {other:?}"))),
    };
    if (report.erased_bytes, report.programmed_bytes) == (u64::from(erased.0), u64::from(programmed.0)) {
        return Ok(());
    }
    Err(wrong(format!("{} bytes erased, {} programmed", report.erased_bytes, report.programmed_bytes)))
}

#[then(expr = "it tells that it had to overcome {string}")]
fn overcame(world: &mut World, text: String) -> Step {
    let told = world.events.iter().find_map(|event| match event {
        Event::Survived(troubles) => Some(troubles.to_string()),
        _ => None,
    });
    match told {
        Some(told) if told.contains(&text) => Ok(()),
        told => Err(wrong(format!("it told {told:?}"))),
    }
}

#[then("it had nothing to overcome")]
fn overcame_nothing(world: &mut World) -> Step {
    expect_event(world, "tell of trouble", false, |event| matches!(event, Event::Survived(_)))
}

#[then(expr = "it warns {string}")]
fn warns(world: &mut World, text: String) -> Step {
    let is = |event: &Event| matches!(event, Event::Warning { text: told } if told.contains(&text));
    expect_event(world, "warn of it", true, is)
}

fn expect_event(world: &World, what: &str, wanted: bool, is: impl Fn(&Event) -> bool) -> Step {
    if world.events.iter().any(is) == wanted {
        return Ok(());
    }
    Err(wrong(if wanted { format!("it did not {what}") } else { format!("it did {what}") }))
}

#[then("the flasher had to upload the RAM loader")]
fn uploaded(world: &mut World) -> Step {
    expect_event(world, "upload it", true, |event| matches!(event, Event::Upload { run_command: false, .. }))
}

#[then("the flasher started the RAM loader by the run command")]
fn ran(world: &mut World) -> Step {
    expect_event(world, "do so", true, |event| matches!(event, Event::Upload { run_command: true, .. }))
}

#[then("the flasher uploaded nothing")]
fn not_uploaded(world: &mut World) -> Step {
    expect_event(world, "upload something", false, |event| matches!(event, Event::Upload { .. }))
}

#[then("the flasher found the RAM loader running")]
fn found_loader(world: &mut World) -> Step {
    expect_event(world, "find one", true, |event| matches!(event, Event::LoaderRunning))
}

#[then("the flasher had to wait for an old session to end")]
fn waited(world: &mut World) -> Step {
    expect_event(world, "wait", true, |event| matches!(event, Event::Silence { .. }))
}

#[then("the flasher reset the module through the modem lines")]
fn reset_by_lines(world: &mut World) -> Step {
    expect_event(world, "reset it", true, |event| matches!(event, Event::ResetByLines))
}

#[then("the flasher asked for a pair of hands")]
fn needs_hands(world: &mut World) -> Step {
    expect_event(world, "ask", true, |event| matches!(event, Event::NeedsHands { .. }))
}
