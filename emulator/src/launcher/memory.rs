//! Reading and writing the client's memory, where the arguments of its ioctls lie.
#![allow(unsafe_code)]

use std::io;

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
    whole(count, bytes.len())
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
    whole(count, bytes.len())
}

fn whole(count: isize, wanted: usize) -> io::Result<()> {
    match usize::try_from(count) {
        Ok(count) if count == wanted => Ok(()),
        // The memory ends in the middle.
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Err(_) => Err(io::Error::last_os_error()),
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
}
