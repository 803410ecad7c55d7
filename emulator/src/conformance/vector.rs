//! One row of a vector file.

use serde::Deserialize;

/// Why a line is not a vector.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// Not the JSON of a row.
    #[error("not a conformance vector: {0}")]
    Json(#[from] serde_json::Error),
    /// A field that should be hex is not.
    #[error("{field} is not an even number of hex digits")]
    Hex {
        /// Name of the field.
        field: &'static str,
    },
    /// A row without anything to send.
    #[error("neither request nor request_step")]
    NoRequest,
    /// A step that this version does not know.
    #[error("a step has none of request, sleep_ms, handshake, fault, chip_erase_ms, pipeline")]
    UnknownStep,
    /// An injected failure that does not exist.
    #[error("unknown injected failure {0:?}")]
    UnknownFault(String),
    /// The profile that the rows are for is broken.
    #[error(transparent)]
    Profile(#[from] crate::profile::ProfileError),
    /// eFuse contents of another size.
    #[error("efuse has {0} bytes, expected 128")]
    EfuseSize(usize),
}

/// A step and what the chip is expected to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// Bytes expected from the chip, if the row says.
    pub response: Option<Vec<u8>>,
    /// Events expected, if the row says.
    pub events: Option<Vec<Vec<String>>>,
}

/// What one step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends these bytes in one burst.
    Send(Vec<u8>),
    /// Lets time pass.
    Sleep {
        /// Milliseconds.
        ms: u64,
    },
    /// A burst of 0x55, then drains.
    Handshake,
    /// Sets the injected failures of the flash.
    Faults(Vec<String>),
    /// Sets how long a chip erase is busy.
    ChipEraseTime {
        /// Milliseconds.
        ms: u64,
    },
    /// Sends frames with gaps, without waiting for answers.
    Pipeline {
        /// The frames.
        frames: Vec<Vec<u8>>,
        /// Microseconds between the end of one and the start of the next.
        gap_us: u64,
    },
}

/// A conformance vector.
#[derive(Clone, Debug)]
pub struct Vector {
    /// What the row shows.
    pub name: String,
    /// How far it holds: `core`, `timing`, `model`...
    pub class: String,
    /// Contents of the flash (`erased`, `pattern`): only rows for the RAM loader have it.
    pub state: Option<String>,
    /// Fuses other than the default.
    pub efuse: Option<[u8; 128]>,
    /// How many bytes one poll of the ROM finds; 0 is all.
    pub poll: Option<usize>,
    /// The line rate, where the module's own timing decides the polls.
    pub baud_bps: Option<u32>,
    /// The BOOT pin.
    pub boot_high: bool,
    /// Failures of the ROM's flash driver.
    pub flash_fail: Vec<String>,
    /// Steps before the one that is judged (they are judged too).
    pub setup: Vec<Step>,
    /// The step that the row is about.
    pub request: Step,
    /// The state afterwards, if not still in session.
    pub then: Option<String>,
}

#[derive(Deserialize)]
struct RawRow {
    name: String,
    class: String,
    state: Option<String>,
    efuse: Option<String>,
    poll: Option<usize>,
    baud: Option<u32>,
    boot_pin: Option<u8>,
    #[serde(default)]
    flash_fail: Vec<String>,
    #[serde(default)]
    setup: Vec<RawStep>,
    request: Option<String>,
    request_step: Option<RawStep>,
    #[serde(default)]
    response: String,
    then: Option<String>,
    events: Option<Vec<Vec<String>>>,
}

#[derive(Deserialize)]
struct RawStep {
    request: Option<String>,
    response: Option<String>,
    events: Option<Vec<Vec<String>>>,
    sleep_ms: Option<u64>,
    handshake: Option<bool>,
    fault: Option<Vec<String>>,
    chip_erase_ms: Option<u64>,
    pipeline: Option<Vec<String>>,
    gap_us: Option<u64>,
}

impl Vector {
    /// Reads one line of a vector file.
    ///
    /// # Errors
    /// [`VectorError`] when the line is not a row, or asks for something this version does not know.
    pub fn parse(line: &str) -> Result<Vector, VectorError> {
        let row: RawRow = serde_json::from_str(line)?;
        let mut request = match (row.request_step, row.request) {
            (Some(step), _) => step.into_step()?,
            (None, Some(request)) => {
                Step { action: Action::Send(hex(&request, "request")?), response: None, events: None }
            }
            (None, None) => return Err(VectorError::NoRequest),
        };
        request.response = Some(hex(&row.response, "response")?);
        request.events = row.events.or(request.events);
        let efuse = match row.efuse {
            None => None,
            Some(text) => {
                let bytes = hex(&text, "efuse")?;
                Some(<[u8; 128]>::try_from(bytes).map_err(|bytes| VectorError::EfuseSize(bytes.len()))?)
            }
        };
        Ok(Vector {
            name: row.name,
            class: row.class,
            state: row.state,
            efuse,
            poll: row.poll,
            baud_bps: row.baud,
            boot_high: row.boot_pin != Some(0),
            flash_fail: row.flash_fail,
            setup: row.setup.into_iter().map(RawStep::into_step).collect::<Result<_, _>>()?,
            request,
            then: row.then,
        })
    }

    /// Whether the row is for the RAM loader (else for the boot ROM).
    pub fn is_for_loader(&self) -> bool {
        self.state.is_some()
    }

    /// Whether a difference is reported but fails nothing (stand-ins of the simulator, one assumed loop speed).
    pub fn is_informative(&self) -> bool {
        matches!(self.class.as_str(), "model" | "wire-model")
    }
}

impl RawStep {
    fn into_step(self) -> Result<Step, VectorError> {
        let action = if let Some(frames) = self.pipeline {
            let frames = frames.iter().map(|frame| hex(frame, "pipeline")).collect::<Result<_, _>>()?;
            Action::Pipeline { frames, gap_us: self.gap_us.unwrap_or(0) }
        } else if let Some(request) = self.request {
            Action::Send(hex(&request, "request")?)
        } else if let Some(ms) = self.sleep_ms {
            Action::Sleep { ms }
        } else if self.handshake == Some(true) {
            Action::Handshake
        } else if let Some(names) = self.fault {
            Action::Faults(names)
        } else if let Some(ms) = self.chip_erase_ms {
            Action::ChipEraseTime { ms }
        } else {
            return Err(VectorError::UnknownStep);
        };
        let response = self.response.map(|response| hex(&response, "response")).transpose()?;
        Ok(Step { action, response, events: self.events })
    }
}

fn hex(text: &str, field: &'static str) -> Result<Vec<u8>, VectorError> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    match digits {
        Some(digits) if digits.len().is_multiple_of(2) => {
            Ok(digits.as_chunks::<2>().0.iter().map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(VectorError::Hex { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_a_bad_field_is_named() {
        let row = r#"{"name":"n","class":"core","request":"1","response":""}"#;
        assert!(matches!(Vector::parse(row), Err(VectorError::Hex { field: "request" })));
        assert!(matches!(Vector::parse(r#"{"name":"n","class":"c"}"#), Err(VectorError::NoRequest)));
        let row = r#"{"name":"n","class":"core","request":"10","efuse":"00"}"#;
        assert!(matches!(Vector::parse(row), Err(VectorError::EfuseSize(1))));
    }
}
