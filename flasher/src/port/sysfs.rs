//! What Linux tells about a port in its files.

use std::path::{Path, PathBuf};

/// Where Linux tells about ttys.
pub(super) const TTYS: &str = "/sys/class/tty";

/// How many folders lie between a tty and the USB device that it belongs to, and some more.
const MOST_LEVELS: usize = 6;

/// The serial number of the USB adapter behind a port; `None` if it has none, is no USB adapter, or the system does not tell.
pub fn usb_serial_number(port: &str) -> Option<String> {
    usb_serial_number_in(Path::new(TTYS), Path::new(port))
}

fn usb_serial_number_in(ttys: &Path, port: &Path) -> Option<String> {
    let device = tty_folder(ttys, port)?.join("device").canonicalize().ok()?;
    // The folder of the USB device is the one that knows the vendor.
    let usb = device.ancestors().take(MOST_LEVELS).find(|folder| folder.join("idVendor").is_file())?;
    let serial = std::fs::read_to_string(usb.join("serial")).ok()?;
    Some(serial.trim().to_owned()).filter(|serial| !serial.is_empty())
}

/// Where the system tells about this port; links such as those in `/dev/serial/by-id` are followed.
pub(super) fn tty_folder(ttys: &Path, port: &Path) -> Option<PathBuf> {
    let port = port.canonicalize().ok()?;
    let folder = ttys.join(port.file_name()?);
    folder.is_dir().then_some(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_serial_number_is_that_of_the_usb_device() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let usb = root.join("devices/usb1/1-2");
        fs::create_dir_all(usb.join("1-2:1.0/ttyUSB7/tty/ttyUSB7")).unwrap();
        fs::write(usb.join("idVendor"), "0403\n").unwrap();
        fs::write(usb.join("serial"), "A50285BI\n").unwrap();
        symlink(usb.join("1-2:1.0/ttyUSB7"), usb.join("1-2:1.0/ttyUSB7/tty/ttyUSB7/device")).unwrap();
        let ttys = root.join("class/tty");
        fs::create_dir_all(&ttys).unwrap();
        symlink(usb.join("1-2:1.0/ttyUSB7/tty/ttyUSB7"), ttys.join("ttyUSB7")).unwrap();
        let port = root.join("ttyUSB7");
        fs::write(&port, "").unwrap();
        symlink(&port, root.join("by-id")).unwrap();
        assert_eq!(usb_serial_number_in(&ttys, &root.join("by-id")).as_deref(), Some("A50285BI"));
        fs::write(usb.join("serial"), "\n").unwrap();
        assert_eq!(usb_serial_number_in(&ttys, &port), None);
        assert_eq!(usb_serial_number_in(&ttys, &root.join("ttyUSB8")), None);
        assert_eq!(usb_serial_number("emulated"), None);
    }
}
