//! Bytes of the reference vectors (`fixtures/vectors`), by the name of their row.
//!
//! Long frames of the scenarios come from here and not from our own encoder, so that one mistake cannot agree with
//! itself.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::words::Bytes;

/// One row of a vector file.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    name: String,
    fields: Value,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/vectors").join(name)
}

/// The row of this name in `rom.jsonl`, or else in `loader.jsonl`.
///
/// # Panics
/// If there is none, or if it cannot be read.
pub fn row(name: &str) -> Row {
    for file in ["rom.jsonl", "loader.jsonl"].map(file) {
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        // Reading every line as JSON takes longer than the scenario.
        let quoted = Value::from(name).to_string();
        for line in text.lines().filter(|line| line.contains(&quoted)) {
            let fields: Value = serde_json::from_str(line).expect("the vectors are JSON");
            if fields["name"] == name {
                return Row { name: name.to_owned(), fields };
            }
        }
    }
    panic!("there is no reference vector {name:?}");
}

impl Row {
    /// What the host sends: the requests of the set-up, and the one the row is about.
    ///
    /// # Panics
    /// If a step of the row is not a request.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        let setup = self.fields["setup"].as_array().into_iter().flatten();
        setup.chain([&self.fields]).map(|step| self.bytes(&step["request"])).collect()
    }

    /// What the chip answers to the request the row is about.
    ///
    /// # Panics
    /// If it is not there.
    pub fn response(&self) -> Vec<u8> {
        self.bytes(&self.fields["response"])
    }

    /// The fuses, if the row names any.
    ///
    /// # Panics
    /// If they are not 128 bytes.
    pub fn efuse(&self) -> Option<[u8; 128]> {
        let field = &self.fields["efuse"];
        (!field.is_null()).then(|| self.bytes(field).try_into().expect("a chip has 128 bytes of fuses"))
    }

    fn bytes(&self, field: &Value) -> Vec<u8> {
        let text = field.as_str().unwrap_or_else(|| panic!("row {:?}: {field} is not bytes", self.name));
        let bytes: Result<Bytes, _> = text.parse();
        bytes.unwrap_or_else(|error| panic!("row {:?}: {error}", self.name)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_whole_name() {
        assert_eq!(row("header: magic BFAP").requests()[0][..6], [0x11, 0, 0xb0, 0, b'B', b'F']);
        assert_eq!(row("erase one sector 0..0").requests().len(), 1);
        assert_eq!(row("erase one sector 0..0").response(), b"PDOK");
        assert_eq!(row("third command error is still answered").requests().len(), 3);
        assert!(row("signed chip: unsigned header").efuse().is_some());
    }
}
