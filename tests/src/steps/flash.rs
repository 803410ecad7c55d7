//! What the flash holds afterwards.

use cucumber::then;

use crate::images;
use crate::words::{Address, Size};
use crate::world::{Done, Step, World, wrong};

/// Says where two flashes differ first.
fn same(found: &[u8], expected: &[u8], what: &str) -> Step {
    if found.len() != expected.len() {
        return Err(wrong(format!("{what}: {} bytes instead of {}", found.len(), expected.len())));
    }
    match found.iter().zip(expected).position(|(found, expected)| found != expected) {
        None => Ok(()),
        Some(at) => Err(wrong(format!(
            "{what}: at {at:#x} there is {:02x} where {:02x} belongs",
            found[at], expected[at]
        ))),
    }
}

#[then("the flash is as it was")]
fn unchanged(world: &mut World) -> Step {
    let found = world.flash()?;
    same(&found, &world.first_flash()?, "the flash has changed")
}

#[then("the flash holds the image, and for the rest what it held before")]
fn holds_the_image(world: &mut World) -> Step {
    let (address, bytes) = world.image.clone().ok_or_else(|| wrong("the scenario has no image"))?;
    holds_pieces(world, &[(address, bytes)])
}

#[then(expr = "the flash holds both, and for the rest what it held before")]
fn holds_both(world: &mut World) -> Step {
    let Done::Change(report) = world.done()? else { return Err(wrong("nothing was written")) };
    let pieces: Vec<(u32, Vec<u8>)> = report
        .pieces
        .iter()
        .zip(1..)
        .map(|(piece, seed)| (piece.range.start(), images::other(piece.range.len() as usize, seed)))
        .collect();
    holds_pieces(world, &pieces)
}

fn holds_pieces(world: &mut World, pieces: &[(u32, Vec<u8>)]) -> Step {
    let found = world.flash()?;
    let mut expected = world.first_flash()?;
    for (address, bytes) in pieces {
        let from = *address as usize;
        expected[from..from + bytes.len()].copy_from_slice(bytes);
    }
    same(&found, &expected, "the flash holds something else")
}

#[then(expr = "{size} from {address} are erased, and the rest is what it was before")]
fn erased(world: &mut World, size: Size, address: Address) -> Step {
    holds_pieces(world, &[(address.0, vec![0xff; size.0 as usize])])
}

#[then("the whole flash is erased")]
fn all_erased(world: &mut World) -> Step {
    let found = world.flash()?;
    let expected = vec![0xff; found.len()];
    same(&found, &expected, "the flash is not erased")
}

#[then("the backup equals the flash")]
fn backup_equals(world: &mut World) -> Step {
    let found = world.flash()?;
    let Done::Backup(backup) = world.done()? else { return Err(wrong("no backup was made")) };
    same(&backup.bytes, &found, "the backup differs from the flash")
}

#[then(expr = "the backup equals the {size} of the flash from {address}")]
fn backup_equals_part(world: &mut World, size: Size, address: Address) -> Step {
    let found = world.flash()?;
    let Done::Backup(backup) = world.done()? else { return Err(wrong("no backup was made")) };
    let (from, to) = (address.0 as usize, (address.0 + size.0) as usize);
    same(&backup.bytes, &found[from..to], "the backup differs from the flash")
}

#[then("the backup holds the image")]
fn backup_holds_the_image(world: &mut World) -> Step {
    let (address, bytes) = world.image.clone().ok_or_else(|| wrong("the scenario has no image"))?;
    let Done::Backup(backup) = world.done()? else { return Err(wrong("no backup was made")) };
    let from = address as usize;
    same(&backup.bytes[from..from + bytes.len()], &bytes, "the backup lacks the image")
}

#[then(expr = "its SHA-256 is that of the reference vector {string}")]
fn backup_hash(world: &mut World, name: String) -> Step {
    // `OK`, two bytes of length, the hash.
    let response = crate::vectors::row(&name).response();
    let expected: String = response.iter().skip(4).map(|byte| format!("{byte:02x}")).collect();
    let Done::Backup(backup) = world.done()? else { return Err(wrong("no backup was made")) };
    if backup.sha256 == expected && expected.len() == 64 {
        return Ok(());
    }
    Err(wrong(format!("it is {}, expected {expected}", backup.sha256)))
}
