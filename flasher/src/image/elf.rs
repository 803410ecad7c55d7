//! ELF: the parts of a program that are to be loaded.

use object::elf::{EM_RISCV, FileHeader32, PT_LOAD};
use object::endian::LittleEndian;
use object::read::elf::{FileHeader as _, ProgramHeader as _};

use super::{ImageError, Part};

/// A program: its parts at their load addresses, and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Parts with bytes in the file, in the order of the program headers.
    pub parts: Vec<Part>,
    /// Entry address.
    pub entry: u32,
}

/// Reads a 32-bit little-endian RISC-V program.
///
/// # Errors
/// [`ImageError::Elf`] if it is something else or a header points outside of the file; [`ImageError::Empty`] if it has
/// nothing to load.
pub fn parse(bytes: &[u8]) -> Result<Program, ImageError> {
    let wrong = |what: String| ImageError::Elf(what);
    let malformed = |error: object::read::Error| wrong(error.to_string());
    let header = FileHeader32::<LittleEndian>::parse(bytes)
        .map_err(|error| wrong(format!("{error} (a BL702 runs 32-bit little-endian RISC-V programs)")))?;
    let endian = header.endian().map_err(malformed)?;
    let machine = header.e_machine(endian);
    if machine != EM_RISCV {
        return Err(wrong(format!("machine type at offset 0x12 is {}, a BL702 is RISC-V (243)", machine.0)));
    }
    let mut parts = Vec::new();
    for (number, program) in header.program_headers(endian, bytes).map_err(malformed)?.iter().enumerate() {
        if program.p_type(endian) != PT_LOAD || program.p_filesz(endian) == 0 {
            continue;
        }
        let data = program.data(endian, bytes).map_err(|()| {
            let (offset, len) = (program.p_offset(endian), program.p_filesz(endian));
            wrong(format!(
                "program header {number} names {len:#x} bytes at offset {offset:#x}, the file has {:#x}",
                bytes.len()
            ))
        })?;
        parts.push(Part { address: program.p_paddr(endian), data: data.to_vec() });
    }
    if parts.is_empty() {
        return Err(ImageError::Empty);
    }
    Ok(Program { parts, entry: header.e_entry(endian) })
}
