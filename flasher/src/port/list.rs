//! Which serial ports this machine has, and what their adapters are good for.

mod adapters;
#[cfg(target_os = "linux")]
mod sysfs_ports;

use std::path::PathBuf;

use serde::Serialize;

pub use adapters::{Adapter, adapter};
#[cfg(target_os = "linux")]
pub use sysfs_ports::list_in;

/// A serial port of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundPort {
    /// As it is named on the command line.
    pub path: PathBuf,
    /// A name that stays the same wherever the adapter is plugged in (`/dev/serial/by-id`), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_path: Option<PathBuf>,
    /// Kernel driver, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// What USB says of it; `None` for a port that is not on USB.
    pub usb: Option<UsbId>,
    /// Whether this user may open it; `None` where that was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accessible: Option<bool>,
    /// The adapter's latency timer, where the driver tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_timer_ms: Option<u32>,
}

/// Who an adapter says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsbId {
    /// Vendor id.
    pub vendor_id: u16,
    /// Product id.
    pub product_id: u16,
    /// Serial number; cheap adapters have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// Vendor in words, as the adapter says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product in words, as the adapter says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Which of several ports of one adapter, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<u8>,
}

impl FoundPort {
    /// Whether a module may be at it: USB adapters. On-board UARTs have to be named, as most of them lead nowhere.
    pub fn is_plausible(&self) -> bool {
        self.usb.is_some()
    }

    /// The adapter, if it is one that is known.
    pub fn adapter(&self) -> Option<&'static Adapter> {
        self.usb.as_ref().and_then(|usb| adapter(usb.vendor_id, usb.product_id))
    }

    /// What it is, in words.
    pub fn description(&self) -> String {
        let Some(usb) = &self.usb else { return "on-board UART".to_owned() };
        let said = [usb.manufacturer.as_deref(), usb.product.as_deref()];
        let said = said.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let mut text = match self.adapter() {
            Some(adapter) => adapter.name.to_owned(),
            None if said.is_empty() => "USB serial port".to_owned(),
            None => said,
        };
        text.push_str(&format!(", USB {:04x}:{:04x}", usb.vendor_id, usb.product_id));
        if let Some(serial) = &usb.serial_number {
            text.push_str(&format!(", serial number {serial}"));
        }
        if let Some(interface) = usb.interface.filter(|interface| *interface > 0) {
            text.push_str(&format!(", interface {interface}"));
        }
        text
    }

    /// Whether it is meant by `serial:NUMBER` or `usb:VID:PID[:NUMBER]`.
    pub fn matches(&self, wanted: &UsbSelector) -> bool {
        let Some(usb) = &self.usb else { return false };
        let same_serial = wanted.serial_number.is_none() || wanted.serial_number == usb.serial_number;
        let same_ids = wanted.ids.is_none_or(|ids| ids == (usb.vendor_id, usb.product_id));
        same_serial && same_ids
    }
}

/// An adapter by what USB says of it: `serial:NUMBER` or `usb:VID:PID[:NUMBER]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsbSelector {
    ids: Option<(u16, u16)>,
    serial_number: Option<String>,
}

impl UsbSelector {
    /// Whether a port's name is of this kind, right or wrong.
    pub fn is_meant_by(name: &str) -> bool {
        name.starts_with("serial:") || name.starts_with("usb:")
    }

    /// Reads one; the ids are hexadecimal.
    pub fn parse(name: &str) -> Option<UsbSelector> {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if let Some(number) = name.strip_prefix("serial:") {
            return Some(UsbSelector { ids: None, serial_number: Some(filled(number)?) });
        }
        let mut parts = name.strip_prefix("usb:")?.splitn(3, ':');
        let mut id = || {
            let text = parts.next()?;
            let is_hex = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            u16::from_str_radix(text, 16).ok().filter(|_| is_hex)
        };
        let ids = Some((id()?, id()?));
        let serial_number = match parts.next() {
            Some(number) => Some(filled(number)?),
            None => None,
        };
        Some(UsbSelector { ids, serial_number })
    }
}

/// The serial ports of this machine, in the order of their names.
#[cfg(target_os = "linux")]
pub fn list() -> Vec<FoundPort> {
    list_in(std::path::Path::new("/"))
}

/// The serial ports of this machine, as the `serialport` crate lists them. Not tried on these systems.
#[cfg(not(target_os = "linux"))]
pub fn list() -> Vec<FoundPort> {
    let found = serialport::available_ports().unwrap_or_default();
    let mut ports: Vec<FoundPort> = found
        .into_iter()
        .map(|port| FoundPort {
            path: PathBuf::from(port.port_name),
            stable_path: None,
            driver: None,
            usb: match port.port_type {
                serialport::SerialPortType::UsbPort(usb) => Some(UsbId {
                    vendor_id: usb.vid,
                    product_id: usb.pid,
                    serial_number: usb.serial_number,
                    manufacturer: usb.manufacturer,
                    product: usb.product,
                    interface: None,
                }),
                _ => None,
            },
            accessible: None,
            latency_timer_ms: None,
        })
        .collect();
    ports.sort_by(|a, b| a.path.cmp(&b.path));
    ports
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ftdi(serial_number: Option<&str>) -> FoundPort {
        FoundPort {
            path: PathBuf::from("/dev/ttyUSB0"),
            stable_path: None,
            driver: Some("ftdi_sio".to_owned()),
            usb: Some(UsbId {
                vendor_id: 0x0403,
                product_id: 0x6001,
                serial_number: serial_number.map(str::to_owned),
                manufacturer: Some("FTDI".to_owned()),
                product: Some("FT232R USB UART".to_owned()),
                interface: Some(0),
            }),
            accessible: Some(true),
            latency_timer_ms: Some(16),
        }
    }

    #[rstest]
    #[case("serial:A50285BI", true)]
    #[case("serial:A50285B", false)]
    #[case("usb:0403:6001", true)]
    #[case("usb:403:6001:A50285BI", true)]
    #[case("usb:0403:6001:B", false)]
    #[case("usb:0403:6010", false)]
    fn ports_by_what_usb_says(#[case] name: &str, #[case] is_it: bool) {
        let wanted = UsbSelector::parse(name).unwrap();
        assert_eq!(ftdi(Some("A50285BI")).matches(&wanted), is_it);
    }

    #[test]
    fn an_adapter_without_a_number_is_found_by_its_ids_alone() {
        assert!(ftdi(None).matches(&UsbSelector::parse("usb:0403:6001").unwrap()));
        assert!(!ftdi(None).matches(&UsbSelector::parse("serial:x").unwrap()));
    }

    #[rstest]
    #[case("serial:")]
    #[case("usb:")]
    #[case("usb:0403")]
    #[case("usb:0403:")]
    #[case("usb:0403:60011")]
    #[case("usb:+403:6001")]
    #[case("usb:0403:6001:")]
    #[case("usb:ftdi:6001")]
    fn no_selectors(#[case] name: &str) {
        assert!(UsbSelector::is_meant_by(name));
        assert_eq!(UsbSelector::parse(name), None);
    }

    #[test]
    fn descriptions() {
        assert_eq!(
            ftdi(Some("A50285BI")).description(),
            "FTDI FT232R, USB 0403:6001, serial number A50285BI"
        );
        let mut other = ftdi(None);
        if let Some(usb) = &mut other.usb {
            (usb.vendor_id, usb.interface) = (0x1209, Some(2));
        }
        assert_eq!(other.description(), "FTDI FT232R USB UART, USB 1209:6001, interface 2");
    }
}
