//! What to do next, for each error.

use bl702_protocol::code::Code;
use bl702_protocol::image::boot_header::HeaderRefusal;

use super::cause::is_about_form;
use super::{BackupMismatch, ErrorKind, Failure, quoted_text};
use crate::efuse::BurnRefusal;
use crate::loader::{HOW_TO_OBTAIN, LoaderError};
use crate::partition::TableError;
use crate::plan::PlanError;
use crate::port::PortError;
use crate::request::Side;

const AGAIN: &str = "Run the same command again: sectors that are right already are left alone.";

const HANDS: &str = "Put the module into ISP: hold BOOT (D28 on an XT-ZB2) at 3.3 V through 1 k, pull EN low for a moment and \
release it; then run the command again. Check that TX and RX are crossed (module TX = GPIO14, RX = GPIO15), that \
grounds are joined, and that the adapter works with 3.3 V. If DTR and RTS drive EN and BOOT, try --wiring dtr-en, and \
--invert-dtr --invert-rts for an adapter whose lines are high while they are asserted.";

/// What to do about a failure.
pub(super) fn advice(failure: &Failure) -> String {
    let mut text = match &failure.kind {
        // It had answered before, so the way into ISP is known.
        ErrorKind::NoHandshake { heard, .. } if failure.during.is_some() && quoted_text(heard).is_none() => {
            format!(
                "Look at the supply (3.3 V at the module), at EN and at the contacts of all wires, then switch the power off and on. {HANDS}"
            )
        }
        kind => of_kind(kind),
    };
    if failure.flash.is_unsettled() && !text.contains("command again") {
        text.push(' ');
        text.push_str(AGAIN);
    }
    if failure.fuses.is_touched() {
        text.push_str(" See with `efuse dump` which fuses are burnt before anything else; the same `efuse burn` goes on from there, and burns nothing twice.");
    }
    text
}

fn of_kind(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Port(error) => of_port(error).to_owned(),
        ErrorKind::Interrupted => AGAIN.to_owned(),
        ErrorKind::LoaderSilent { .. } => "Switch the power off and on and try again; check 3.3 V at the module under load. Try --boot-baud 115200 and --timing slow, and check the file given with --loader (the one that ends in _32m is for modules with a 32 MHz crystal). If it is the right one, look at the crystal: its solder joints, and 32 MHz with an oscilloscope.".to_owned(),
        ErrorKind::NoHandshake { side: Side::Loader, .. } => {
            "Try a lower --baud (1000000, 500000), then --timing slow; check the image given with --loader.".to_owned()
        }
        ErrorKind::NoHandshake { heard, .. } if quoted_text(heard).is_some() => {
            format!("Something has to hold BOOT high at the moment of the reset. {HANDS}")
        }
        ErrorKind::NoHandshake { .. } => HANDS.to_owned(),
        ErrorKind::WrongChip { .. } | ErrorKind::OtherChip { .. } | ErrorKind::BootInfo(_) => {
            "This program speaks to BL702, BL704 and BL706 only. Nothing that is specific to a chip was sent.".to_owned()
        }
        ErrorKind::Locked { is_loader: true, .. } => "Without an image that is signed or encrypted to match, named with --loader, its flash can be neither read nor written over UART; that is for ever. Ask the maker of the module for one.".to_owned(),
        ErrorKind::Locked { refusal: HeaderRefusal::Sign { .. }, is_loader: false } => "Sign the image with the key whose SHA-256 is in the key slots 0 and 1 of the eFuses (`image build FILE --ram ADDRESS --sign KEY.pem -o NEW`; `image info NEW` shows the key's SHA-256, `efuse decode` the fuses). Nobody without that key can run anything on this chip.".to_owned(),
        ErrorKind::Locked { refusal: HeaderRefusal::Encrypt { .. }, is_loader: false } => "Encrypt the image with the key of this chip's eFuses (`image build FILE --ram ADDRESS --encrypt KEY --iv IV -o NEW`), or leave it plain if the chip demands no encryption.".to_owned(),
        ErrorKind::Locked { is_loader: false, .. } => "Look into the file with `image info`, and build it anew with `image build`.".to_owned(),
        ErrorKind::FusesHidden { told, why } => format!(
            "Boot info tells these all the same: word 10h (sw_usage_0) {:08x}, word 74h (device info) {:08x}, MAC address {}, sign {}, encrypt {}; `info` says what they mean.\n{}",
            told.sw_usage_0,
            told.device_info.0,
            told.chip_id_text(),
            told.sign,
            told.encrypt,
            of_kind(why)
        ),
        ErrorKind::Loader(LoaderError::None) => HOW_TO_OBTAIN.to_owned(),
        ErrorKind::Loader(_) => format!("Name another file with --loader.\n{HOW_TO_OBTAIN}"),
        ErrorKind::FlashUnknown { .. } => {
            "If you know the size of this flash (its data sheet, or the same module elsewhere), give it, as --flash-size 1MiB: reading then goes on with the loader's default settings, and every write is verified as always. Begin with a backup.".to_owned()
        }
        ErrorKind::FlashRepeats { repeats_at, .. } => format!(
            "Go on with the size that it really has, --flash-size {}KiB. Only if you are sure that both halves are meant to hold the same, give the larger size.",
            repeats_at / 1024
        ),
        ErrorKind::FlashAbsent { .. } => "Check that the flash is soldered and has its supply, and nothing else drives its pins. --flash-size does not help: there is nothing to read.".to_owned(),
        ErrorKind::FlashChanged { .. } => "Check the wiring, and whether it is still the same module. Then begin again.".to_owned(),
        ErrorKind::NotRestarted => "Switch the power off and on, then run the command again.".to_owned(),
        ErrorKind::StillInIsp { by_lines: true } => "BOOT (D28) is high when the module starts: check that the adapter's line really drives it (--wiring), and that nothing else holds it high; or the fuse mediaboot_disable is burnt (`info` tells), then it never runs its flash.".to_owned(),
        ErrorKind::StillInIsp { by_lines: false } => "BOOT (D28) is high when the module starts: take it off 3.3 V (or pull it to GND), then run the command again or pulse EN. If it is low, the fuse mediaboot_disable is burnt (`info` tells): then the module never runs its flash.".to_owned(),
        ErrorKind::NotStarted => "Try --boot-baud 115200 and check the file given with --loader.".to_owned(),
        ErrorKind::Ignored { .. } => "Check the file given with --loader; if it is a build of your own or of another chip, use a published one (eflash_loader_32m.bin). If it is published, switch the power off and on and try again.".to_owned(),
        ErrorKind::Burn(BurnRefusal::GoesBack { .. }) => "A fuse that is burnt stays burnt. If a file was given, it is of another module or older than this one's fuses: compare with `efuse diff FILE`.".to_owned(),
        ErrorKind::Burn(BurnRefusal::WriteLocked { .. }) => "That lock is for ever. Leave these fuses out.".to_owned(),
        ErrorKind::Burn(BurnRefusal::ReadLocked { .. }) => "Leave these fuses out; a file to burn from must hold 0 there, as `efuse backup` writes it.".to_owned(),
        ErrorKind::Burn(BurnRefusal::MacParity { zero_bits, .. }) => format!("Burn the right parity with it: mac_parity={zero_bits}, if none of its bits would have to go back to 0."),
        ErrorKind::Burn(BurnRefusal::NotAccepted { names }) => format!("Nothing was burnt. If that is what you want, for ever, name it: {}.", names.iter().map(|name| format!("--accept {name}")).collect::<Vec<_>>().join(" ")),
        ErrorKind::FusesNotTaken { .. } => "Do not repeat it at once. Measure 3.3 V at the module, read the fuses with `efuse dump`, and compare; a fuse that does not take is a fault of the part or of its supply.".to_owned(),
        ErrorKind::FusesChanged { .. } | ErrorKind::FusesUnstable { .. } => "Read the fuses again with `efuse dump`, at a lower --baud and with short wires, and compare. Burn nothing before two readings agree.".to_owned(),
        ErrorKind::OtherModule { .. } => "Nothing was burnt in the module that answers now. Check which one is connected.".to_owned(),
        ErrorKind::Plan(PlanError::PastEnd { .. }) => "Check address and file; if the flash is larger than its id says, give --flash-size.".to_owned(),
        ErrorKind::Plan(_) => "Check addresses and files.".to_owned(),
        ErrorKind::Baud(_) => "Rates that work: 115200, 230400, 460800, 500000, 921600, 1000000, 1500000, 2000000, 2500000, 3000000.".to_owned(),
        ErrorKind::Table(error) => of_table(error).to_owned(),
        ErrorKind::NotThisBackup(BackupMismatch::Size { .. }) => "If this is what you want in the flash all the same, write it to an address: `write 0=FILE` (with --dry-run it says first what that changes). If the flash is larger than its id says, give --flash-size.".to_owned(),
        ErrorKind::NotThisBackup(BackupMismatch::Module { .. }) => "Take the backup of this module; what a module has learnt (keys, pairings, calibration) is of no use to another one. To make a copy of that module all the same, add --other-module.".to_owned(),
        ErrorKind::Different { .. } => "If the flash should hold this file, write it again; otherwise check the file.".to_owned(),
        ErrorKind::NotTaken { .. } => "Back up what can be read. If other addresses take data, the sector is worn: replace the flash, or keep what matters out of it. If none does, check the supply of the flash.".to_owned(),
        ErrorKind::Protected { .. } => "Find what holds WP# of the flash low and release it (high), then run the same command again: the RAM loader clears unlocked status bits when it starts. Protection that is one-time programmable cannot be taken away.".to_owned(),
        ErrorKind::Unstable { .. } => "Check the supply of the flash (3.3 V under load). If it is good, the cells are worn: read what you need several times and compare, then write that sector anew or replace the flash.".to_owned(),
        ErrorKind::Refused { code } if is_about_form(*code) => "Run the same command again, with shorter wires and a lower --baud (1000000, 500000). If it stays, check the file given with --loader: a published RAM loader (eflash_loader_32m.bin) takes every command that this program sends.".to_owned(),
        ErrorKind::Refused { code: Code(0x0006) } => "Check the 3.3 V supply under load, and WP#. If it fails at the same place again and again, the flash is worn.".to_owned(),
        ErrorKind::Refused { code } => match code.row() {
            Some(row) => row.advice.to_owned(),
            None => "Run the same command again; if it stays, send a --record of it to the authors.".to_owned(),
        },
        ErrorKind::Collateral { .. } => {
            "Read that range and compare it with a backup, once the wires are shorter and --baud is lower.".to_owned()
        }
        ErrorKind::HeaderWritten { .. } => {
            "Shorten the wires and lower --boot-baud (115200). Then run the same command again, and write that range anew, from a backup or the firmware's file, unless the run does so anyway.".to_owned()
        }
        ErrorKind::ExcessPending { .. } => {
            "Restore the flash from a backup, once the wires are shorter and --baud is lower.".to_owned()
        }
        ErrorKind::BoundReached { .. } => format!("Try --timing slow and a lower --baud. {AGAIN}"),
        ErrorKind::TooManyRestarts { .. } => format!("Measure 3.3 V at the module while it erases and writes, use a short USB cable and a supply that gives 200 mA or more, add 10 uF or more at the module. {AGAIN}"),
        ErrorKind::NoAnswer { pending: 1.., .. } => format!("Check the supply of the flash; a worn or a cold part erases slowly. {AGAIN}"),
        ErrorKind::NoAnswer { .. }
        | ErrorKind::Short { .. }
        | ErrorKind::Garbled { .. }
        | ErrorKind::WrongLength { .. }
        | ErrorKind::Surplus { .. }
        | ErrorKind::BootInfoVaries { .. }
        | ErrorKind::IdentityDiffers { .. }
        | ErrorKind::SegmentEcho
        | ErrorKind::StartWords { .. }
        | ErrorKind::ReadMismatch { .. }
        | ErrorKind::TooManyRepeats { .. } => {
            "Shorten the wires, join the grounds well, lower --baud (1000000, 500000) and --boot-baud (115200), try --timing slow or another adapter.".to_owned()
        }
    }
}

fn of_table(error: &TableError) -> &'static str {
    match error {
        TableError::None { .. } => {
            "Name an address instead, as 0x3000=FILE or --range 0x3000..0x93000; or put a table there: `partition install TOML`."
        }
        TableError::Bad { .. } => {
            "Put a good table there: `partition install TOML` (the TOML of a good dump: `partition toml DUMP -o layout.toml`). Until then name addresses."
        }
        TableError::Unknown { .. } => {
            "`partition show` lists the partitions of the module. A file with a = in its name needs its address, as 0=a=b.bin."
        }
        TableError::TooLarge { .. } => {
            "Check that it is the right file for this partition; a larger partition needs another table (`partition install TOML`). To write past the partition's end all the same, name the address instead."
        }
        TableError::NoRoom { .. } | TableError::Impossible { .. } => {
            "The table is damaged or made for another flash: look at it with `partition show`, and put a right one there with `partition install TOML`."
        }
        TableError::Elsewhere { .. } => {
            "Set address0 and address1 of [pt_table] to where the module has its table (`partition show`). To put it elsewhere all the same, add --force."
        }
        TableError::Occupied { .. } => {
            "Back up first and look what is there (`backup`, `image info`). To overwrite it all the same, add --force."
        }
    }
}

fn of_port(error: &PortError) -> &'static str {
    match error {
        PortError::NotFound { .. } => {
            "Plug the adapter in, and look which ports there are (ls /dev/ttyUSB* /dev/ttyACM*). `--port emulated` needs none."
        }
        PortError::NotATty { .. } => "Name the adapter's device, such as /dev/ttyUSB0.",
        PortError::Busy { .. } => {
            "Close the terminal or the flasher that uses it (fuser -v PORT shows which)."
        }
        PortError::Denied { .. } => {
            "Join the group that may use serial ports (often dialout or uucp), then log in again."
        }
        PortError::Vanished { .. } => {
            "Plug the adapter in (or start again what serves the port), then run the same command again: sectors that are right already are left alone, and `backup --resume` continues from a part file."
        }
        PortError::Stuck { .. } => "Check the adapter, or what serves the port.",
        PortError::BaudRefused { .. } => "Choose another --baud or --boot-baud, or another adapter.",
        PortError::System { .. } => "Check the adapter and its driver.",
        PortError::Unreachable { .. } => {
            "Check the host's name and the port number, that the server runs there (ser2net, or bl702-emu run --rfc2217), and that no firewall is in between."
        }
        PortError::NoRemoteControl { .. } => {
            "Have the server offer the port with RFC 2217, so that rate and lines can be set from here: in ser2net `accepter: telnet(rfc2217),tcp,4000`. A raw TCP port will not do."
        }
        PortError::Login { .. } => {
            "Switch the login of this port off, and let only those hosts connect that may (or reach it through an ssh tunnel); or check that it is the right port number."
        }
        PortError::TurnedAway { .. } => {
            "Another client may have the port: close it, or wait. If not, look at the log of the server and at its list of hosts that may connect."
        }
        PortError::Recording { .. } => "Check the file given with --record, and the space on its disk.",
        PortError::Emulated { .. } => "Check the options after `emulated:`.",
    }
}
