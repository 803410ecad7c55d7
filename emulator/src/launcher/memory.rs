//! Reading and writing the client's memory, where the arguments of its ioctls lie.
//!
//! By two system calls made for that, or, where a sandbox does not know them (containers of some years ago), through
//! `/proc`. The kernel allows both to the same processes.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

/// Fills `bytes` from `address` in the memory of the process that `thread` belongs to.
///
/// # Errors
/// `EFAULT` when there is no such memory; `EPERM` when the process may not be looked at.
pub(super) fn read(thread: i32, address: u64, bytes: &mut [u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: the kernel writes at most `bytes.len()` bytes to `bytes`; the remote address is only used over there, and
    // checked by the kernel.
    let count = unsafe { libc::process_vm_readv(thread, &local, 1, &remote, 1, 0) };
    whole(count, bytes.len()).or_else(|error| {
        let memory = unless_forbidden(error, thread)?;
        memory.read_exact_at(bytes, address).map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))
    })
}

/// Writes `bytes` to `address` in the memory of the process that `thread` belongs to.
///
/// # Errors
/// As [`read`].
pub(super) fn write(thread: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: the kernel only reads `bytes`; the remote address is only used over there, and checked by the kernel.
    let count = unsafe { libc::process_vm_writev(thread, &local, 1, &remote, 1, 0) };
    whole(count, bytes.len()).or_else(|error| {
        let memory = unless_forbidden(error, thread)?;
        memory.write_all_at(bytes, address).map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))
    })
}

fn whole(count: isize, wanted: usize) -> io::Result<()> {
    match usize::try_from(count) {
        Ok(count) if count == wanted => Ok(()),
        // The memory ends in the middle.
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// The memory as a file, when the system call failed for another reason than its address; else `error` again.
fn unless_forbidden(error: io::Error, thread: i32) -> io::Result<File> {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::ENOSYS) => {
            OpenOptions::new().read(true).write(true).open(format!("/proc/{thread}/mem")).map_err(|_| error)
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_is_there_and_nothing_else() {
        let own = std::process::id() as i32;
        let mut place = *b"before";
        let address = place.as_mut_ptr() as u64;
        write(own, address, b"after!").unwrap();
        assert_eq!(&place, b"after!");
        let mut copy = [0; 6];
        read(own, address, &mut copy).unwrap();
        assert_eq!(copy, place);
        assert_eq!(read(own, 8, &mut copy).unwrap_err().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(write(own, 8, &copy).unwrap_err().raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn the_file_is_the_same_memory() {
        let own = std::process::id() as i32;
        let place = *b"here";
        let mut copy = [0; 4];
        let forbidden = io::Error::from_raw_os_error(libc::EPERM);
        unless_forbidden(forbidden, own).unwrap().read_exact_at(&mut copy, place.as_ptr() as u64).unwrap();
        assert_eq!(copy, place);
        let fault = io::Error::from_raw_os_error(libc::EFAULT);
        assert_eq!(unless_forbidden(fault, own).unwrap_err().raw_os_error(), Some(libc::EFAULT));
    }
}
