//! Fuses, read and burnt by the flasher.

use bl702_flasher::efuse::{BurnPermit, Effect, Wanted, parse_settings};
use bl702_flasher::flow::{self, After};
use bl702_protocol::efuse::offset;
use cucumber::{then, when};

use crate::world::{Done, Step, World, wrong};

fn burn(world: &mut World, what: &str, accepted: &[&str], permit: Option<BurnPermit>) -> Step {
    // Also where it is to be refused: a flasher that is wrong would burn, and only some modules may be burnt.
    if permit.is_some() && !world.setup.burns {
        return Err(wrong("a scenario that tells the flasher to burn must be @burns"));
    }
    let texts: Vec<String> = what.split(' ').map(str::to_owned).collect();
    let wanted = Wanted::Fields(parse_settings(&texts).map_err(|error| wrong(error.to_string()))?);
    let accepted: Option<Vec<_>> = accepted.iter().map(|name| Effect::named(name)).collect();
    let accepted = accepted.ok_or_else(|| wrong("there is no such consequence"))?;
    let done = |report| Done::Burn(Box::new(report));
    world.flash_with(done, |link, options| {
        flow::burn_fuses(link, options, After::Reset, wanted, accepted, permit)
    })
}

#[when("I read the fuses")]
fn read(world: &mut World) -> Step {
    world.flash_with(Done::Fuses, |link, options| flow::read_fuses(link, options, After::Reset))
}

#[when(expr = "I have the flasher show what burning {string} would do")]
fn show(world: &mut World, what: String) -> Step {
    burn(world, &what, &[], None)
}

#[when(expr = "I burn {string}, and mean it")]
fn burn_plain(world: &mut World, what: String) -> Step {
    burn(world, &what, &[], BurnPermit::from_option(true))
}

/// Nothing that is burnt is taken back, so that only the lock can be the reason of a refusal.
#[when(expr = "I burn one more bit of its MAC address, accept {string}, and mean it")]
fn burn_mac(world: &mut World, accepted: String) -> Step {
    let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| wrong("a chip id is hexadecimal"));
    let chip_id = number(&world.target()?.chip_id())?;
    let zeros = u64::from(chip_id.count_zeros());
    let what =
        format!("wifi_mac={:016x} mac_parity={:#x}", with_one_more_bit(chip_id), with_one_more_bit(zeros));
    burn(world, &what, &[&accepted], BurnPermit::from_option(true))
}

/// The lowest bit that is 0 becomes 1.
fn with_one_more_bit(number: u64) -> u64 {
    number | number.wrapping_add(1)
}

#[when(expr = "I burn {string}, accept {string}, and mean it")]
fn burn_accepting(world: &mut World, what: String, accepted: String) -> Step {
    burn(world, &what, &[&accepted], BurnPermit::from_option(true))
}

#[then(expr = "fuse word {string} reads {string}")]
fn word(world: &mut World, offset: String, value: String) -> Step {
    let Done::Fuses(report) = world.done()? else { return Err(wrong("nobody read the fuses")) };
    let number = |text: &str| u32::from_str_radix(text, 16).map_err(|_| wrong("no hexadecimal number"));
    let found = report.efuse.word(number(&offset)? as usize);
    if found == number(&value)? { Ok(()) } else { Err(wrong(format!("it reads {found:08x}"))) }
}

/// Bytes 14h to 1Bh, as boot info tells them.
#[then("the fuses hold the module's own chip id")]
fn hold_chip_id(world: &mut World) -> Step {
    let expected = world.target()?.chip_id();
    let Done::Fuses(report) = world.done()? else { return Err(wrong("nobody read the fuses")) };
    let found: String = report.efuse.0[offset::MAC..][..8].iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected { Ok(()) } else { Err(wrong(format!("they hold {found}, expected {expected}"))) }
}

#[then("the flasher has shown a plan and burnt nothing")]
fn shown(world: &mut World) -> Step {
    let Done::Burn(report) = world.done()? else { return Err(wrong("nobody asked for a burn")) };
    if report.burnt || report.plan.words.is_empty() { Err(wrong(format!("{report:?}"))) } else { Ok(()) }
}
