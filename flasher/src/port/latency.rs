//! The latency timer of an adapter: how long it holds back what the module has said, waiting for more.
//!
//! An FTDI adapter does so for 16 ms by default, which every short answer then takes. Linux lets it be set in two ways: a
//! flag of `TIOCSSERIAL` that the user of a port may set (`ASYNC_LOW_LATENCY`, which `ftdi_sio` takes for 1 ms), and the file
//! `latency_timer` in sysfs, which only root may write unless a rule of udev says otherwise. What was set is put back when the
//! port is closed.

use serde::Serialize;

/// What became of an adapter's latency timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AdapterLatency {
    /// It was lowered to 1 ms while the port is open.
    Lowered {
        /// What it was, where the driver tells.
        #[serde(skip_serializing_if = "Option::is_none")]
        from_ms: Option<u32>,
    },
    /// It is low already.
    Low {
        /// What it is.
        timer_ms: u32,
    },
    /// It could not be lowered.
    High {
        /// What it is.
        timer_ms: u32,
        /// The file that sets it.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The driver has none, or does not tell: a pty, a network, most adapters other than FTDI's.
    Unknown,
}

impl std::fmt::Display for AdapterLatency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AdapterLatency::Lowered { from_ms: Some(from_ms) } => {
                write!(
                    f,
                    "the adapter's latency timer is 1 ms instead of {from_ms} ms while the port is open"
                )
            }
            AdapterLatency::Lowered { from_ms: None } => {
                write!(f, "the adapter was asked for low latency while the port is open")
            }
            AdapterLatency::Low { timer_ms } => write!(f, "the adapter's latency timer is {timer_ms} ms"),
            AdapterLatency::High { timer_ms, file, reason } => write!(
                f,
                "the adapter holds every answer back for {timer_ms} ms, and its latency timer cannot be set ({reason}): `echo 1 | sudo tee {file}` does it"
            ),
            AdapterLatency::Unknown => write!(f, "the driver tells nothing of a latency timer"),
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::LatencyTimer;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::BorrowedFd;
    use std::path::{Path, PathBuf};

    use rustix::io::Errno;
    use rustix::ioctl::{Getter, Opcode, Setter, ioctl};

    use super::AdapterLatency;
    use crate::port::sysfs::tty_folder;

    const TIOCGSERIAL: Opcode = 0x541E;
    const TIOCSSERIAL: Opcode = 0x541F;
    /// In the field `flags`.
    const ASYNC_LOW_LATENCY: u32 = 1 << 13;
    /// The longest timer with which an answer is as good as at once.
    const LOW_MS: u32 = 2;

    /// `struct serial_struct` of Linux; nothing but `flags` is looked at.
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    struct SerialStruct {
        kind: i32,
        line: i32,
        port: u32,
        irq: i32,
        flags: u32,
        rest: [u8; 52],
    }

    /// What has to be put back.
    #[derive(Debug)]
    pub(in crate::port) struct LatencyTimer {
        /// The flag was set by us.
        flag_set: bool,
        /// The file that was written, and what was in it.
        written: Option<(PathBuf, u32)>,
    }

    impl LatencyTimer {
        /// Lowers the timer of the port behind a descriptor, if there is one.
        pub(in crate::port) fn lower(
            descriptor: BorrowedFd<'_>,
            ttys: &Path,
            port: &Path,
        ) -> (LatencyTimer, AdapterLatency) {
            let mut timer = LatencyTimer { flag_set: false, written: None };
            let file = tty_folder(ttys, port).map(|folder| folder.join("device/latency_timer"));
            let before = file.as_ref().and_then(|file| read(file));
            if let Some(timer_ms) = before.filter(|timer_ms| *timer_ms <= LOW_MS) {
                return (timer, AdapterLatency::Low { timer_ms });
            }
            timer.flag_set = set_flag(descriptor, true).unwrap_or(false);
            let Some((file, from_ms)) = file.zip(before) else {
                let told = match timer.flag_set {
                    true => AdapterLatency::Lowered { from_ms: None },
                    false => AdapterLatency::Unknown,
                };
                return (timer, told);
            };
            if read(&file).is_some_and(|timer_ms| timer_ms <= LOW_MS) {
                return (timer, AdapterLatency::Lowered { from_ms: Some(from_ms) });
            }
            let told = match std::fs::write(&file, "1\n") {
                Ok(()) => {
                    timer.written = Some((file, from_ms));
                    AdapterLatency::Lowered { from_ms: Some(from_ms) }
                }
                // `ftdi_sio` takes the flag for 1 ms without showing it in the file.
                Err(_) if timer.flag_set => AdapterLatency::Lowered { from_ms: Some(from_ms) },
                Err(error) => AdapterLatency::High {
                    timer_ms: from_ms,
                    file: file.display().to_string(),
                    reason: error.to_string(),
                },
            };
            (timer, told)
        }

        /// Puts back what was changed. That it may fail, with the adapter unplugged, changes nothing any more.
        pub(in crate::port) fn restore(&mut self, descriptor: BorrowedFd<'_>) {
            if std::mem::take(&mut self.flag_set) {
                let _ = set_flag(descriptor, false);
            }
            if let Some((file, timer_ms)) = self.written.take() {
                let _ = std::fs::write(file, format!("{timer_ms}\n"));
            }
        }
    }

    fn read(file: &Path) -> Option<u32> {
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// Sets or clears the flag; gives whether that changed it.
    fn set_flag(descriptor: BorrowedFd<'_>, on: bool) -> Result<bool, Errno> {
        // SAFETY: the structure is as large as the largest of the kernel's, 72 bytes; what it holds comes from the kernel.
        #[allow(unsafe_code, reason = "the kernel fills the structure")]
        let mut settings = unsafe { ioctl(descriptor, Getter::<TIOCGSERIAL, SerialStruct>::new()) }?;
        let before = settings.flags;
        settings.flags = if on { before | ASYNC_LOW_LATENCY } else { before & !ASYNC_LOW_LATENCY };
        if settings.flags == before {
            return Ok(false);
        }
        // SAFETY: as above; the kernel reads the structure.
        #[allow(unsafe_code, reason = "the kernel reads the structure")]
        unsafe { ioctl(descriptor, Setter::<TIOCSSERIAL, SerialStruct>::new(settings)) }?;
        Ok(true)
    }

    #[cfg(test)]
    mod tests {
        use std::fs;
        use std::os::fd::AsFd;

        use super::*;

        /// A folder as `/sys/class/tty`, with an adapter `ttyUSB0` whose timer is `timer_ms`, and the adapter's port.
        fn adapter(timer_ms: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
            let folder = tempfile::tempdir().unwrap();
            let device = folder.path().join("tty/ttyUSB0/device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("latency_timer"), timer_ms).unwrap();
            let port = folder.path().join("ttyUSB0");
            fs::write(&port, "").unwrap();
            let file = device.join("latency_timer");
            (folder, port, file)
        }

        #[test]
        fn the_timer_is_lowered_and_put_back() {
            let (folder, port, file) = adapter("16\n");
            let opened = fs::File::open(&port).unwrap();
            let (mut timer, told) = LatencyTimer::lower(opened.as_fd(), &folder.path().join("tty"), &port);
            assert_eq!(told, AdapterLatency::Lowered { from_ms: Some(16) });
            assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");
            timer.restore(opened.as_fd());
            assert_eq!(fs::read_to_string(&file).unwrap(), "16\n");
            timer.restore(opened.as_fd());
        }

        #[test]
        fn what_is_low_stays_as_it_is_and_what_is_not_there_is_unknown() {
            let (folder, port, file) = adapter("1\n");
            let opened = fs::File::open(&port).unwrap();
            let ttys = folder.path().join("tty");
            let (mut timer, told) = LatencyTimer::lower(opened.as_fd(), &ttys, &port);
            assert_eq!(told, AdapterLatency::Low { timer_ms: 1 });
            timer.restore(opened.as_fd());
            assert_eq!(fs::read_to_string(&file).unwrap(), "1\n");
            fs::remove_file(&file).unwrap();
            let (_, told) = LatencyTimer::lower(opened.as_fd(), &ttys, &port);
            assert_eq!(told, AdapterLatency::Unknown);
        }

        #[test]
        fn a_timer_that_cannot_be_set_is_told_with_what_helps() {
            let told = AdapterLatency::High {
                timer_ms: 16,
                file: "/sys/class/tty/ttyUSB0/device/latency_timer".to_owned(),
                reason: "Permission denied (os error 13)".to_owned(),
            };
            insta::assert_snapshot!(told, @"the adapter holds every answer back for 16 ms, and its latency timer cannot be set (Permission denied (os error 13)): `echo 1 | sudo tee /sys/class/tty/ttyUSB0/device/latency_timer` does it");
        }

        #[test]
        fn the_structure_is_that_of_the_kernel() {
            assert_eq!((size_of::<SerialStruct>(), std::mem::offset_of!(SerialStruct, flags)), (72, 16));
        }
    }
}
