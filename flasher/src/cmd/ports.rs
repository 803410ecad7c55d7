//! `ports`, and the choice of a port where none was named.

use bl702_flasher::Nanos;
use bl702_flasher::error::ErrorKind;
use bl702_flasher::event::Event;
use bl702_flasher::port::PortError;
use bl702_flasher::port::list::{self, FoundPort, UsbSelector};
use bl702_protocol::boot_info::BootInfo;
use serde_json::{Value, json};

use super::Outcome;
use super::context::Context;
use super::options::Options;
use crate::failure::Failure;
use crate::report::{Quiet, Reporter};

const EXAMPLES: &str = "Examples:
  bl702-flash ports
  bl702-flash ports --probe
  bl702-flash --port serial:A50285BI info      the adapter with this serial number
  bl702-flash --port usb:1a86:7523 info        the only adapter with these ids";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Ask at each USB port (or at --port) what is there: a boot ROM, a RAM loader, or nothing that answers. What is
    /// wired to the modem lines is reset; --wiring none leaves them alone
    #[arg(long)]
    probe: bool,
}

/// Ports that are asked at the same time: each has a thread, and waits for its module most of the time.
const ASKED_AT_ONCE: usize = 16;

/// A port that is told of.
struct Entry {
    name: String,
    lines: Vec<String>,
    row: Value,
    is_plausible: bool,
}

/// Lists what there is, or only the ports that were named on the command line.
pub(crate) fn run(args: &Args, options: &Options, named: &[String]) -> Result<Outcome, Failure> {
    let ports = found();
    let is_wanted = |port: &&FoundPort| named.is_empty() || named.iter().any(|name| is_called(port, name));
    let mut entries: Vec<Entry> = ports.iter().filter(is_wanted).map(entry).collect();
    for (index, name) in named.iter().enumerate() {
        if !ports.iter().any(|port| is_called(port, name)) && !named[..index].contains(name) {
            entries.push(unlisted(name));
        }
    }
    if args.probe {
        let asked: Vec<&mut Entry> =
            entries.iter_mut().filter(|entry| entry.is_plausible || !named.is_empty()).collect();
        probe_all(asked, options);
    }
    let (mut text, mut rows) = (Vec::new(), Vec::new());
    for entry in entries {
        text.extend(entry.lines);
        rows.push(entry.row);
    }
    if rows.is_empty() {
        text.push("no serial port was found".to_owned());
        text.push(LOOK_FOR.to_owned());
    }
    Ok(Outcome::new(text, json!({"ports": rows})))
}

fn entry(port: &FoundPort) -> Entry {
    let mut row = serde_json::to_value(port).unwrap_or_default();
    row["adapter"] = json!(port.adapter());
    row["plausible"] = json!(port.is_plausible());
    let name = port.path.display().to_string();
    Entry { name, lines: describe(port), row, is_plausible: port.is_plausible() }
}

/// A port that is in no list: on the network, emulated, a pty.
fn unlisted(name: &str) -> Entry {
    let row = json!({"path": name, "usb": null, "plausible": true});
    Entry { name: name.to_owned(), lines: vec![name.to_owned()], row, is_plausible: true }
}

/// Asks at several ports at once who is there.
fn probe_all(mut entries: Vec<&mut Entry>, options: &Options) {
    for batch in entries.chunks_mut(ASKED_AT_ONCE) {
        std::thread::scope(|scope| {
            for entry in batch {
                scope.spawn(move || {
                    let (line, found) = probe(&entry.name, options);
                    entry.lines.push(format!("    {line}"));
                    entry.row["found"] = found;
                });
            }
        });
    }
}

/// The serial ports of this machine; or of the system whose `/sys` and `/dev` lie in the folder that
/// `BL702_SYSTEM_ROOT` names, so that tests do not meet what is plugged in.
pub(crate) fn found() -> Vec<FoundPort> {
    #[cfg(target_os = "linux")]
    if let Some(root) = std::env::var_os("BL702_SYSTEM_ROOT") {
        return list::list_in(std::path::Path::new(&root));
    }
    list::list()
}

/// Whether a port is meant by a name: of the port, or of its adapter.
fn is_called(port: &FoundPort, name: &str) -> bool {
    match UsbSelector::parse(name) {
        Some(wanted) => port.matches(&wanted),
        None => [Some(&port.path), port.stable_path.as_ref()]
            .iter()
            .flatten()
            .any(|path| path.as_os_str() == name),
    }
}

/// A port for people: what it is, by which other name it goes, what to expect of its adapter.
fn describe(port: &FoundPort) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", port.path.display(), port.description())];
    if let Some(stable) = &port.stable_path {
        lines.push(format!("    always {}", stable.display()));
    }
    if let Some(adapter) = port.adapter() {
        let latency = match port.latency_timer_ms {
            Some(ms) => format!("; latency timer {ms} ms"),
            None => String::new(),
        };
        lines.push(format!("    up to {} baud{latency}; {}", adapter.highest_baud_bps, adapter.hint));
    }
    if port.accessible == Some(false) {
        lines.push("    no permission: join its group (often dialout or uucp), then log in again".to_owned());
    }
    lines
}

/// What answers at a port, in words and for programs.
fn probe(name: &str, options: &Options) -> (String, Value) {
    let unit = options.for_unit(name, super::units::label(name));
    let mut quiet = Quiet;
    let asked = Context::open_to_ask(&unit, &mut quiet).and_then(|mut context| context.who_answers());
    match asked {
        Ok(BootInfo::Rom(rom)) => (
            format!("boot ROM {:08x}h, chip id {}", rom.version, rom.chip_id_text()),
            json!({"kind": "rom", "rom_version": format!("{:08x}", rom.version), "chip_id": rom.chip_id_text()}),
        ),
        Ok(BootInfo::Loader(_)) => ("a RAM loader is running".to_owned(), json!({"kind": "loader"})),
        Err(failure) => {
            let silent = matches!(
                &failure,
                Failure::Run(error) if matches!(error.kind(), ErrorKind::NoHandshake { heard, .. } if heard.is_empty())
            );
            if silent {
                let line = "nothing answers: no module, no power, or BOOT was low when it left reset";
                return (line.to_owned(), json!({"kind": "nothing"}));
            }
            let busy = matches!(
                &failure,
                Failure::Early(error) if matches!(error.kind(), ErrorKind::Port(PortError::Busy { .. }))
            );
            let kind = if busy { "busy" } else { "unclear" };
            (failure.message(), json!({"kind": kind, "error": failure.message()}))
        }
    }
}

const LOOK_FOR: &str = "Look at the cable (many carry power only), at the adapter's driver (`sudo dmesg | tail` after plugging it in), and whether this user may open serial ports (group dialout or uucp). `bl702-flash ports` lists what there is; on-board UARTs have to be named with --port; `--port emulated` needs no hardware.";

pub(crate) fn none_found() -> Failure {
    Failure::usage("no port was given, and this machine has no USB serial port", LOOK_FOR)
}

/// The port to take if none was named: the only one at which a module may be.
///
/// # Errors
/// Exit status 2: there is none, or there are several.
pub(crate) fn the_only_one() -> Result<FoundPort, Failure> {
    only_one(found().into_iter().filter(FoundPort::is_plausible).collect(), "no port was given")
}

fn only_one(mut ports: Vec<FoundPort>, why: &str) -> Result<FoundPort, Failure> {
    match ports.len() {
        0 => Err(none_found()),
        1 => Ok(ports.remove(0)),
        count => {
            let lines: Vec<String> = ports
                .iter()
                .map(|port| format!("  {}  {}", port.path.display(), port.description()))
                .collect();
            Err(Failure::usage(
                format!("{why}, and there are {count} that it could be:\n{}", lines.join("\n")),
                "Name one with --port, or take all of them with --all.",
            ))
        }
    }
}

/// The name of the port to open: the one that was named, looked up where it was named by its adapter; or the only one.
pub(crate) fn resolve(options: &Options, reporter: &mut dyn Reporter) -> Result<String, Failure> {
    let port = match options.port.as_deref() {
        None => the_only_one()?,
        Some(name) if UsbSelector::is_meant_by(name) => by_adapter(name, found())?,
        Some(name) => return Ok(name.to_owned()),
    };
    let text = format!("port {}: {}", port.path.display(), port.description());
    reporter.event(Nanos::ZERO, &Event::Note { text });
    Ok(port.path.display().to_string())
}

fn by_adapter(name: &str, ports: Vec<FoundPort>) -> Result<FoundPort, Failure> {
    let wanted = UsbSelector::parse(name).ok_or_else(|| {
        Failure::usage(
            format!("port {name:?} names no adapter"),
            "Write serial:NUMBER, usb:VID:PID or usb:VID:PID:NUMBER, with hexadecimal ids, as usb:0403:6001.",
        )
    })?;
    let found: Vec<FoundPort> = ports.into_iter().filter(|port| port.matches(&wanted)).collect();
    if found.is_empty() {
        return Err(Failure::usage(
            format!("no adapter here is {name}"),
            "`bl702-flash ports` lists the adapters with their ids and serial numbers.",
        ));
    }
    only_one(found, &format!("{name} is not enough"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bl702_flasher::port::list::UsbId;

    use super::*;

    fn port(path: &str, serial_number: &str, interface: u8) -> FoundPort {
        FoundPort {
            path: PathBuf::from(path),
            stable_path: Some(PathBuf::from(format!("/dev/serial/by-id/usb-FTDI_{serial_number}"))),
            driver: Some("ftdi_sio".to_owned()),
            usb: Some(UsbId {
                vendor_id: 0x0403,
                product_id: 0x6010,
                serial_number: Some(serial_number.to_owned()),
                manufacturer: None,
                product: None,
                interface: Some(interface),
            }),
            accessible: Some(false),
            latency_timer_ms: Some(16),
        }
    }

    #[test]
    fn one_port_is_taken_and_of_several_none() {
        let one = only_one(vec![port("/dev/ttyUSB3", "A", 0)], "no port was given").unwrap();
        assert_eq!(one.path, PathBuf::from("/dev/ttyUSB3"));
        let two = vec![port("/dev/ttyUSB0", "A", 0), port("/dev/ttyUSB1", "A", 1)];
        let failure = only_one(two.clone(), "no port was given").unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        insta::assert_snapshot!(failure.message(), @r"
        no port was given, and there are 2 that it could be:
          /dev/ttyUSB0  FTDI FT2232, USB 0403:6010, serial number A
          /dev/ttyUSB1  FTDI FT2232, USB 0403:6010, serial number A, interface 1
        ");
        assert_eq!(only_one(Vec::new(), "no port was given").unwrap_err().exit_code(), 2);
        assert_eq!(by_adapter("serial:A", two.clone()).unwrap_err().exit_code(), 2);
        assert_eq!(by_adapter("serial:B", two).unwrap_err().message(), "no adapter here is serial:B");
        let two = vec![port("/dev/ttyUSB0", "A", 0), port("/dev/ttyUSB1", "B", 0)];
        assert_eq!(by_adapter("usb:0403:6010:B", two).unwrap().path, PathBuf::from("/dev/ttyUSB1"));
        assert_eq!(by_adapter("usb:0403", Vec::new()).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_port_in_words() {
        insta::assert_snapshot!(describe(&port("/dev/ttyUSB0", "A", 0)).join("\n"), @r"
        /dev/ttyUSB0  FTDI FT2232, USB 0403:6010, serial number A
            always /dev/serial/by-id/usb-FTDI_A
            up to 12000000 baud; latency timer 16 ms; its latency timer of 16 ms slows many short answers down: 1 ms is better
            no permission: join its group (often dialout or uucp), then log in again
        ");
    }
}
