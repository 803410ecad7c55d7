//! A reader of a file's parts that knows where it is.

use super::RamImageError;

/// What is left of a file, and how much was taken.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a [u8]) -> Cursor<'a> {
        Cursor { file, offset: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.file[self.offset..]
    }

    /// The error for a part of this many bytes that begins here.
    pub(super) fn truncated(&self, part: &'static str, bytes: usize) -> RamImageError {
        let end = self.offset.saturating_add(bytes);
        RamImageError::Truncated { part, start: self.offset, end, have: self.file.len() }
    }

    /// Looks at bytes without taking them.
    pub(super) fn peek(&self, part: &'static str, bytes: usize) -> Result<&'a [u8], RamImageError> {
        self.rest().get(..bytes).ok_or_else(|| self.truncated(part, bytes))
    }

    pub(super) fn take(&mut self, part: &'static str, bytes: usize) -> Result<&'a [u8], RamImageError> {
        let taken = self.peek(part, bytes)?;
        self.offset += bytes;
        Ok(taken)
    }

    pub(super) fn take_array<const N: usize>(
        &mut self,
        part: &'static str,
    ) -> Result<&'a [u8; N], RamImageError> {
        let taken = self.rest().first_chunk().ok_or_else(|| self.truncated(part, N))?;
        self.offset += N;
        Ok(taken)
    }
}
