//! The debug log in RAM: 4096 bytes, and then it takes no more (`reference/loader-protocol.md` section 2).
//!
//! The text is this project's own, one line a command; the vendor's is not reproduced.

const CAPACITY_BYTES: usize = 4096;

/// Text for command 71h.
#[derive(Debug, Default)]
pub(super) struct Log {
    text: Vec<u8>,
}

impl Log {
    /// Adds a line, or nothing when the whole of it has no room.
    pub(super) fn line(&mut self, line: &str) {
        if self.text.len() + line.len() + 2 < CAPACITY_BYTES {
            self.text.extend_from_slice(line.as_bytes());
            self.text.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_takes_no_more() {
        let mut log = Log::default();
        for _ in 0..10_000 {
            log.line("32 read flash");
        }
        assert_eq!(log.text().len(), 4095 / 15 * 15);
        assert!(log.text().ends_with(b"32 read flash\r\n"));
    }
}
