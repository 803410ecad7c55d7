//! What the kernel accounts to a process (`proc(5)`).

use std::fs;
use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, all threads.
    pub on_processor: Duration,
    /// How often one of its threads was put on a processor.
    pub turns: u64,
    /// Resident memory now.
    pub resident_bytes: u64,
    /// The most it ever was.
    pub peak_resident_bytes: u64,
}

impl Usage {
    /// Of a running process.
    ///
    /// # Panics
    /// If there is no such process.
    pub fn of(pid: u32) -> Usage {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is gone");
        let mut usage =
            Usage { on_processor: Duration::ZERO, turns: 0, resident_bytes: 0, peak_resident_bytes: 0 };
        for task in tasks {
            let path = task.expect("the process is gone").path().join("schedstat");
            // A thread may end between the two calls; nanoseconds on a processor, waiting for one, turns.
            let Ok(text) = fs::read_to_string(path) else { continue };
            let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            usage.on_processor += Duration::from_nanos(numbers[0]);
            usage.turns += numbers[2];
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is gone");
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of proc(5)");
            line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).expect("a size") * 1024
        };
        usage.resident_bytes = kib("VmRSS:");
        usage.peak_resident_bytes = kib("VmHWM:");
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_has_memory() {
        let before = Usage::of(std::process::id());
        assert!(before.on_processor > Duration::ZERO && before.turns > 0);
        assert!(before.resident_bytes > 100_000 && before.peak_resident_bytes >= before.resident_bytes / 2);
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = Usage::of(std::process::id());
        assert!(after.peak_resident_bytes >= before.resident_bytes + (block.len() as u64) / 2);
    }
}
