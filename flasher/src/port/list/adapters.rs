//! USB adapters that people have, and what they can do.
//!
//! Where each rate is from, and which are not verified, stands in `docs/comparison.md`; none was measured here. What an
//! adapter does at a rate in practice depends on cable and driver, so these are hints.

use serde::Serialize;

/// What is known of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Adapter {
    /// Vendor id.
    #[serde(skip)]
    pub vendor_id: u16,
    /// Product id.
    #[serde(skip)]
    pub product_id: u16,
    /// Maker and part.
    pub name: &'static str,
    /// Highest rate by its data sheet, in bits a second.
    pub highest_baud_bps: u32,
    /// What to look out for.
    pub hint: &'static str,
}

const LATENCY: &str = "its latency timer of 16 ms slows many short answers down: 1 ms is better";
const PLAIN: &str = "no latency timer to set";
const SLOW: &str = "give --baud 921600 if 2000000 fails";

const fn row(ids: (u16, u16), name: &'static str, highest_baud_bps: u32, hint: &'static str) -> Adapter {
    Adapter { vendor_id: ids.0, product_id: ids.1, name, highest_baud_bps, hint }
}

/// One row per product.
const ADAPTERS: [Adapter; 19] = [
    row((0x0403, 0x6001), "FTDI FT232R", 3_000_000, LATENCY),
    row((0x0403, 0x6010), "FTDI FT2232", 12_000_000, LATENCY),
    row((0x0403, 0x6011), "FTDI FT4232H", 12_000_000, LATENCY),
    row((0x0403, 0x6014), "FTDI FT232H", 12_000_000, LATENCY),
    row((0x0403, 0x6015), "FTDI FT230X/FT231X", 3_000_000, LATENCY),
    row((0x1a86, 0x7523), "WCH CH340", 2_000_000, PLAIN),
    row((0x1a86, 0x7522), "WCH CH340K", 2_000_000, PLAIN),
    row((0x1a86, 0x5523), "WCH CH341", 2_000_000, PLAIN),
    row((0x1a86, 0x55d2), "WCH CH342", 3_000_000, PLAIN),
    row((0x1a86, 0x55d3), "WCH CH343", 6_000_000, PLAIN),
    row((0x1a86, 0x55d4), "WCH CH9102", 4_000_000, PLAIN),
    // CP2102 and CP2102N have the same id; the older one ends at 1,000,000.
    row((0x10c4, 0xea60), "Silicon Labs CP2102/CP2102N", 3_000_000, SLOW),
    row((0x10c4, 0xea70), "Silicon Labs CP2105", 2_000_000, PLAIN),
    row((0x10c4, 0xea71), "Silicon Labs CP2108", 2_000_000, PLAIN),
    row((0x067b, 0x2303), "Prolific PL2303", 6_000_000, "many are counterfeits that end at 115200"),
    row((0x067b, 0x23a3), "Prolific PL2303GC", 6_000_000, PLAIN),
    row((0x067b, 0x23c3), "Prolific PL2303GT", 6_000_000, PLAIN),
    row((0x2e8a, 0x000c), "Raspberry Pi Debug Probe", 2_000_000, PLAIN),
    // The CDC example of Bouffalo's SDK, which its own USB-to-UART firmware keeps.
    row((0xffff, 0xffff), "Bouffalo Lab USB serial port", 2_000_000, PLAIN),
];

/// The adapter with these ids.
pub fn adapter(vendor_id: u16, product_id: u16) -> Option<&'static Adapter> {
    ADAPTERS.iter().find(|row| (row.vendor_id, row.product_id) == (vendor_id, product_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_named_once() {
        for (index, row) in ADAPTERS.iter().enumerate() {
            let first = ADAPTERS.iter().position(|other| other.name == row.name);
            assert_eq!(first, Some(index), "{row:?}");
            assert_eq!(adapter(row.vendor_id, row.product_id), Some(row));
        }
        assert_eq!(adapter(0x0403, 0xffff), None);
    }
}
