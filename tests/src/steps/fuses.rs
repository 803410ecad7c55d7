//! Fuses, read and burnt by the flasher.

use bl702_flasher::efuse::{BurnPermit, Effect, Wanted, parse_settings};
use bl702_flasher::flow::{self, After};
use cucumber::{then, when};

use crate::world::{Done, Step, World, wrong};

fn burn(world: &mut World, what: &str, accepted: &[&str], permit: Option<BurnPermit>) -> Step {
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

#[then("the flasher has shown a plan and burnt nothing")]
fn shown(world: &mut World) -> Step {
    let Done::Burn(report) = world.done()? else { return Err(wrong("nobody asked for a burn")) };
    if report.burnt || report.plan.words.is_empty() { Err(wrong(format!("{report:?}"))) } else { Ok(()) }
}
