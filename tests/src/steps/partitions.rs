//! Partitions of the module, backups put back, dry runs, reading back.

use bl702_flasher::flow::{self, After, ChangeMode, ChangeReport, Found, ResetInto};
use bl702_flasher::partition::{Layout, from_toml};
use bl702_flasher::plan::{Area, Place, PlacedFile, PlacedFiles};
use bl702_protocol::image::partition::PartitionTable;
use cucumber::{given, then, when};

use crate::images;
use crate::words::{Address, Number, Size};
use crate::world::{Done, Step, Trouble, World, wrong};

/// Both places of the stock layout.
const PLACES: [usize; 2] = [0x1000, 0x2000];

const DRY: ChangeMode = ChangeMode { dry_run: true, readback: false };
const READBACK: ChangeMode = ChangeMode { dry_run: false, readback: true };

#[given("its flash holds the stock firmware, whose first table is damaged")]
fn first_table_damaged(world: &mut World) -> Step {
    let mut flash = images::stock();
    flash[PLACES[0] + 20] ^= 1;
    world.set_up(|setup| setup.flash = Some(flash))
}

#[given("its flash holds the stock firmware, whose newer second table has FW at its second place")]
fn second_table_newer(world: &mut World) -> Step {
    let mut flash = images::stock();
    let mut table = PartitionTable::parse(&flash[PLACES[1]..]).map_err(|error| wrong(error.to_string()))?;
    table.age += 1;
    table.entries[0].active = 1;
    let bytes = table.to_bytes().map_err(|error| wrong(error.to_string()))?;
    flash[PLACES[1]..PLACES[1] + bytes.len()].copy_from_slice(&bytes);
    world.set_up(|setup| setup.flash = Some(flash))
}

fn image(world: &World) -> Result<Vec<u8>, Trouble> {
    world.image.clone().map(|(_, bytes)| bytes).ok_or_else(|| wrong("the scenario has no image"))
}

fn files(world: &World, place: Place) -> Result<PlacedFiles, Trouble> {
    let bytes = image(world)?;
    PlacedFiles::new(vec![PlacedFile { place, bytes }]).map_err(|error| wrong(error.to_string()))
}

fn at_its_address(world: &World) -> Result<PlacedFiles, Trouble> {
    let (address, _) = world.image.as_ref().ok_or_else(|| wrong("the scenario has no image"))?;
    files(world, Place::Address(u64::from(*address)))
}

fn write_as(world: &mut World, files: PlacedFiles, mode: ChangeMode) -> Step {
    let flow = |link, options| flow::write_files(link, options, files, mode, After::Reset);
    world.flash_with(Done::Change, flow)
}

#[when(expr = "I write the image into the partition {word}")]
fn write(world: &mut World, name: String) -> Step {
    let files = files(world, Place::Partition(name))?;
    write_as(world, files, ChangeMode::default())
}

#[when("I write the image and have it read back")]
fn write_readback(world: &mut World) -> Step {
    let files = at_its_address(world)?;
    write_as(world, files, READBACK)
}

#[when("I ask what writing the image would change")]
fn would_write(world: &mut World) -> Step {
    let files = at_its_address(world)?;
    write_as(world, files, DRY)
}

fn verify_as(world: &mut World, files: PlacedFiles, readback: bool) -> Step {
    let flow = move |link, options| flow::verify_files(link, options, files, readback, After::Reset);
    world.flash_with(Done::Verify, flow)
}

#[when(expr = "I verify the image against the partition {word}")]
fn verify(world: &mut World, name: String) -> Step {
    let files = files(world, Place::Partition(name))?;
    verify_as(world, files, false)
}

#[when("I verify the image and have it read back")]
fn verify_readback(world: &mut World) -> Step {
    let files = at_its_address(world)?;
    verify_as(world, files, true)
}

#[when(expr = "I erase the partition {word}")]
fn erase(world: &mut World, name: String) -> Step {
    let (area, mode) = (Area::Partition(name), ChangeMode::default());
    world.flash_with(Done::Erase, move |link, options| {
        flow::erase_area(link, options, area, mode, After::Reset)
    })
}

#[when("I ask what erasing the whole flash would change")]
fn would_erase(world: &mut World) -> Step {
    world.flash_with(Done::Erase, |link, options| flow::plan_chip_erase(link, options, After::Reset))
}

#[when(expr = "I back up the partition {word}")]
fn back_up(world: &mut World, name: String) -> Step {
    let area = Area::Partition(name);
    world.flash_with(Done::Backup, move |link, options| {
        flow::backup_area(link, options, area, Vec::new(), After::Reset)
    })
}

fn restore_as(world: &mut World, of_module: Option<String>, mode: ChangeMode) -> Step {
    let bytes = image(world)?;
    world.flash_with(Done::Change, move |link, options| {
        flow::restore(link, options, bytes, of_module, mode, After::Reset)
    })
}

#[when("I restore the image")]
fn restore(world: &mut World) -> Step {
    restore_as(world, None, ChangeMode::default())
}

#[when(expr = "I restore the image as that of the module with chip id {word}")]
fn restore_of(world: &mut World, chip_id: String) -> Step {
    restore_as(world, Some(chip_id), ChangeMode::default())
}

#[when("I restore the image as that of this very module")]
fn restore_own(world: &mut World) -> Step {
    let chip_id = world.target()?.chip_id();
    restore_as(world, Some(chip_id), ChangeMode::default())
}

#[when("I ask what restoring the image would change")]
fn would_restore(world: &mut World) -> Step {
    restore_as(world, None, DRY)
}

#[when("I read the partition table")]
fn read_table(world: &mut World) -> Step {
    world.flash_with(Done::Table, |link, options| flow::read_table(link, options, After::Reset))
}

fn layout(first: u32, second: u32) -> Result<Layout, Trouble> {
    let entry = |kind, name, address, size| {
        format!(
            "\n[[pt_entry]]\ntype = {kind}\nname = \"{name}\"\naddress0 = {address:#x}\nsize0 = {size:#x}\naddress1 = 0\nsize1 = 0\nlen = 0\n"
        )
    };
    let text = format!("[pt_table]\naddress0 = {first:#x}\naddress1 = {second:#x}\n")
        + &entry(0, "FW", 0x10000, 0x80000)
        + &entry(2, "PSM", 0xF9000, 0x2000);
    from_toml(&text).map_err(|error| wrong(error.to_string()))
}

fn install_as(world: &mut World, layout: Layout, mode: ChangeMode) -> Step {
    let done = |report| Done::Installed(Box::new(report));
    world.flash_with(done, move |link, options| {
        flow::install_table(link, options, layout, false, mode, After::Reset)
    })
}

#[when("I put a table with FW and PSM onto the module")]
fn install(world: &mut World) -> Step {
    install_as(world, layout(0x1000, 0x2000)?, ChangeMode::default())
}

#[when(expr = "I put a table for {address} and {address} onto the module")]
fn install_elsewhere(world: &mut World, first: Address, second: Address) -> Step {
    install_as(world, layout(first.0, second.0)?, ChangeMode::default())
}

#[when("I ask what putting a table with FW and PSM onto the module would change")]
fn would_install(world: &mut World) -> Step {
    install_as(world, layout(0x1000, 0x2000)?, DRY)
}

#[then(expr = "the copy at {address} counts and has age {number}")]
fn counts(world: &mut World, address: Address, age: Number) -> Step {
    let Done::Table(tables) = world.done()? else { return Err(wrong("the table was not read")) };
    let (copy, table) = tables.active().map_err(|error| wrong(error.to_string()))?;
    if (tables.places[copy], table.age) == (address.0, age.0) {
        return Ok(());
    }
    Err(wrong(format!("the copy at {:#x} with age {} counts", tables.places[copy], table.age)))
}

#[then(expr = "the copy at {address} was written first")]
fn written_first(world: &mut World, address: Address) -> Step {
    let Done::Installed(report) = world.done()? else { return Err(wrong("no table was installed")) };
    if report.places[0] == address.0 {
        return Ok(());
    }
    Err(wrong(format!("the order was {:x?}", report.places)))
}

#[then(expr = "nothing of the table had to be changed")]
fn table_was_there(world: &mut World) -> Step {
    let Done::Installed(report) = world.done()? else { return Err(wrong("no table was installed")) };
    match report.changes.iter().map(|change| change.erased_bytes + change.programmed_bytes).sum() {
        0_u64 => Ok(()),
        bytes => Err(wrong(format!("{bytes} bytes were erased or programmed"))),
    }
}

#[then(expr = "both copies of the table have age {number} and the partitions {word} and {word}")]
fn both_copies(world: &mut World, age: Number, first: String, second: String) -> Step {
    let flash = world.flash()?;
    for place in PLACES {
        let table = PartitionTable::parse(&flash[place..])
            .map_err(|error| wrong(format!("the copy at {place:#x}: {error}")))?;
        let names: Vec<String> = table.entries.iter().map(|entry| entry.name.text()).collect();
        if table.age != age.0 || names != [first.as_str(), &second] {
            return Err(wrong(format!("the copy at {place:#x} has age {} and {names:?}", table.age)));
        }
    }
    Ok(())
}

fn change(world: &World) -> Result<&ChangeReport, Trouble> {
    match world.done()? {
        Done::Change(report) => Ok(report),
        Done::Erase(report) => report.change.as_ref().ok_or_else(|| wrong("it was no dry run")),
        other => Err(wrong(format!("not a change of the flash: {other:?}"))),
    }
}

#[then(expr = "{size} would be erased and {size} programmed")]
fn would_change(world: &mut World, erased: Size, programmed: Size) -> Step {
    let report = change(world)?;
    let plan = &report.plan;
    if !report.dry_run {
        return Err(wrong("it was no dry run"));
    }
    if (plan.erase_bytes(), plan.program_bytes()) == (u64::from(erased.0), u64::from(programmed.0)) {
        return Ok(());
    }
    Err(wrong(format!("{} bytes would be erased, {} programmed", plan.erase_bytes(), plan.program_bytes())))
}

#[then(expr = "{size} would be kept")]
fn would_keep(world: &mut World, kept: Size) -> Step {
    let bytes: u32 = change(world)?.plan.preserved.iter().map(|range| range.len()).sum();
    if bytes == kept.0 { Ok(()) } else { Err(wrong(format!("{bytes} bytes would be kept"))) }
}

#[then(expr = "{size} were read back")]
fn read_back(world: &mut World, size: Size) -> Step {
    let bytes = match world.done()? {
        Done::Verify(report) => report.readback_bytes,
        Done::Change(report) => report.readback_bytes,
        other => return Err(wrong(format!("nothing that could be read back: {other:?}"))),
    };
    if bytes == u64::from(size.0) { Ok(()) } else { Err(wrong(format!("{bytes} bytes were read back"))) }
}

#[when("I restart the module into programming mode")]
fn into_isp(world: &mut World) -> Step {
    world.flash_with(Done::ResetInto, |link, options| flow::reset_into(link, options, ResetInto::Isp))
}

#[when("I restart the module into its firmware")]
fn into_firmware(world: &mut World) -> Step {
    world.flash_with(Done::ResetInto, |link, options| flow::reset_into(link, options, ResetInto::Firmware))
}

fn found(world: &World, is: impl Fn(&Found) -> bool) -> Step {
    let Done::ResetInto(report) = world.done()? else { return Err(wrong("it was not restarted")) };
    if is(&report.found) { Ok(()) } else { Err(wrong(format!("{report:?}"))) }
}

#[then("the boot ROM is said to wait")]
fn rom_waits(world: &mut World) -> Step {
    found(world, |found| *found == Found::Rom)
}

#[then("the firmware is said to speak")]
fn firmware_speaks(world: &mut World) -> Step {
    world.need(|target| target.check_firmware())?;
    found(world, |found| matches!(found, Found::FirmwareSays { .. }))
}

#[then("nothing is said to be heard")]
fn nothing_heard(world: &mut World) -> Step {
    found(world, |found| *found == Found::Silence)
}
