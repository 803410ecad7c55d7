//! Serial ports as Linux lists them, below `/sys/class/tty`; udev is not needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{FoundPort, UsbId};

/// The serial ports of a system whose files are below `root`, in the order of their names.
pub fn list_in(root: &Path) -> Vec<FoundPort> {
    let stable = stable_names(root);
    let Ok(entries) = fs::read_dir(root.join("sys/class/tty")) else { return Vec::new() };
    let mut ports: Vec<FoundPort> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            port(root, &entry.path(), &name, stable.get(&name).cloned())
        })
        .collect();
    // ttyUSB2 comes before ttyUSB10.
    ports.sort_by_key(|port| {
        let name = port.path.to_string_lossy().into_owned();
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = name.split_at(name.len() - digits);
        (port.usb.is_none(), stem.to_owned(), number.parse::<u64>().unwrap_or(0))
    });
    ports
}

fn port(root: &Path, entry: &Path, name: &str, stable_path: Option<PathBuf>) -> Option<FoundPort> {
    // Consoles and ptys have no device.
    let device = fs::canonicalize(entry.join("device")).ok()?;
    let usb = usb(&device);
    // The 8250 driver keeps places for UARTs that are not there: their type is 0.
    if usb.is_none() && text(&entry.join("type")).as_deref() == Some("0") {
        return None;
    }
    // The kernel writes a slash in a device's name as an exclamation mark.
    let file = name.replace('!', "/");
    let path = Path::new("/dev").join(&file);
    let driver = fs::canonicalize(device.join("driver")).ok();
    Some(FoundPort {
        stable_path,
        driver: driver.and_then(|driver| Some(driver.file_name()?.to_str()?.to_owned())),
        usb,
        accessible: is_accessible(&root.join("dev").join(file)),
        latency_timer_ms: text(&device.join("latency_timer")).and_then(|text| text.parse().ok()),
        path,
    })
}

/// What stands in the files of the USB device that this device is a part of.
fn usb(device: &Path) -> Option<UsbId> {
    let hex = |folder: &Path, file: &str| u16::from_str_radix(&text(&folder.join(file))?, 16).ok();
    let mut interface = None;
    for folder in device.ancestors() {
        if interface.is_none() {
            interface = hex(folder, "bInterfaceNumber").and_then(|number| u8::try_from(number).ok());
        }
        if let (Some(vendor_id), Some(product_id)) = (hex(folder, "idVendor"), hex(folder, "idProduct")) {
            return Some(UsbId {
                vendor_id,
                product_id,
                serial_number: text(&folder.join("serial")),
                manufacturer: text(&folder.join("manufacturer")),
                product: text(&folder.join("product")),
                interface,
            });
        }
    }
    None
}

/// The content of a file without its end of line; `None` if there is nothing in it.
fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?.trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

fn is_accessible(path: &Path) -> Option<bool> {
    use rustix::fs::{Access, access};
    path.exists().then(|| access(path, Access::READ_OK | Access::WRITE_OK).is_ok())
}

/// From a port's name to its link in `/dev/serial/by-id`.
fn stable_names(root: &Path) -> BTreeMap<String, PathBuf> {
    let folder = Path::new("dev/serial/by-id");
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return BTreeMap::new() };
    let names = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let target = fs::read_link(entry.path()).ok()?;
        let name = target.file_name()?.to_str()?.to_owned();
        Some((name, Path::new("/").join(folder).join(entry.file_name())))
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(root: &Path, file: &str, content: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A system with an FTDI adapter, a CDC device of two ports, one UART on board, and one that is not there.
    fn system() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let class = root.join("sys/class/tty");
        fs::create_dir_all(&class).unwrap();
        let ftdi = "sys/devices/pci0/usb1/1-2";
        for (file, content) in [
            ("idVendor", "0403\n"),
            ("idProduct", "6001\n"),
            ("serial", "A50285BI\n"),
            ("manufacturer", "FTDI\n"),
            ("product", "FT232R USB UART\n"),
            ("1-2:1.0/bInterfaceNumber", "00\n"),
            ("1-2:1.0/ttyUSB10/latency_timer", "16\n"),
        ] {
            put(root, &format!("{ftdi}/{file}"), content);
        }
        put(root, "sys/bus/usb-serial/drivers/ftdi_sio/bind", "");
        let port = root.join(ftdi).join("1-2:1.0/ttyUSB10");
        symlink(root.join("sys/bus/usb-serial/drivers/ftdi_sio"), port.join("driver")).unwrap();
        let cdc = "sys/devices/pci0/usb1/1-3";
        for (file, content) in [
            ("idVendor", "1a86\n"),
            ("idProduct", "55d2\n"),
            ("1-3:1.0/bInterfaceNumber", "00\n"),
            ("1-3:1.2/bInterfaceNumber", "02\n"),
        ] {
            put(root, &format!("{cdc}/{file}"), content);
        }
        put(root, "sys/devices/platform/serial8250/uevent", "");
        for (name, device) in [
            ("ttyUSB10", format!("{ftdi}/1-2:1.0/ttyUSB10")),
            ("ttyACM0", format!("{cdc}/1-3:1.0")),
            ("ttyACM1", format!("{cdc}/1-3:1.2")),
            ("ttyS0", "sys/devices/platform/serial8250".to_owned()),
            ("ttyS1", "sys/devices/platform/serial8250".to_owned()),
        ] {
            fs::create_dir(class.join(name)).unwrap();
            symlink(root.join(device), class.join(name).join("device")).unwrap();
        }
        put(root, "sys/class/tty/ttyS0/type", "4\n");
        put(root, "sys/class/tty/ttyS1/type", "0\n");
        fs::create_dir(class.join("console")).unwrap();
        put(root, "dev/ttyUSB10", "");
        let by_id = root.join("dev/serial/by-id");
        fs::create_dir_all(&by_id).unwrap();
        symlink("../../ttyUSB10", by_id.join("usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0")).unwrap();
        folder
    }

    #[test]
    fn ports_are_found_with_what_their_adapters_say() {
        let system = system();
        let ports = list_in(system.path());
        let names: Vec<_> = ports.iter().map(|port| port.path.display().to_string()).collect();
        assert_eq!(names, ["/dev/ttyACM0", "/dev/ttyACM1", "/dev/ttyUSB10", "/dev/ttyS0"]);
        let ftdi = &ports[2];
        assert_eq!(ftdi.description(), "FTDI FT232R, USB 0403:6001, serial number A50285BI");
        assert_eq!(ftdi.driver.as_deref(), Some("ftdi_sio"));
        assert_eq!((ftdi.latency_timer_ms, ftdi.accessible), (Some(16), Some(true)));
        let stable = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0";
        assert_eq!(ftdi.stable_path.as_deref(), Some(Path::new(stable)));
        assert_eq!(ports[1].description(), "WCH CH342, USB 1a86:55d2, interface 2");
        assert_eq!(ports[1].accessible, None, "there is no such file");
        let plausible: Vec<bool> = ports.iter().map(FoundPort::is_plausible).collect();
        assert_eq!(plausible, [true, true, true, false]);
    }

    #[test]
    fn a_system_without_sysfs_has_no_ports() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(list_in(folder.path()), []);
    }
}
