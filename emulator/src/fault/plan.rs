//! Fault plans: reading, checking and writing them.

use serde::{Deserialize, Serialize};

use super::effect::{DeviceEffect, Effect, FrameEffect, LineEffect, PowerEffect};
use super::when::{Moment, When};

/// What goes wrong.
///
/// ```
/// use bl702_emulator::fault::FaultPlan;
///
/// let plan = FaultPlan::from_toml(r#"
///     [[fault]]
///     name = "the third write is answered FL0006"
///     frame.refuse = { code = 0x0006 }
///     when = { stage = "loader", command = 0x31, nth = 3 }
///
///     [[fault]]
///     name = "one byte in a thousand is lost on its way to the host"
///     line = "drop"
///     when = { direction = "to-host", probability = 0.001 }
/// "#)?;
/// assert_eq!(plan.faults.len(), 2);
/// # Ok::<(), bl702_emulator::fault::PlanError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// The faults; all of them are armed at once.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

/// How sure it is that a mode of failure exists, and what it looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Seen in the vendor's code.
    VendorCode,
    /// From a data sheet.
    DataSheet,
    /// Somebody has met it.
    FieldReport,
    /// Made up: nobody is known to have met it.
    #[default]
    Synthetic,
}

impl Evidence {
    /// Two words.
    pub fn in_words(self) -> &'static str {
        match self {
            Evidence::VendorCode => "vendor code",
            Evidence::DataSheet => "data sheet",
            Evidence::FieldReport => "field report",
            Evidence::Synthetic => "synthetic",
        }
    }
}

/// What a plan is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its name; faults without one of their own are called so.
    pub name: String,
    /// Other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What is wrong, in a few words.
    #[serde(default)]
    pub title: String,
    /// How sure it is.
    #[serde(default)]
    pub evidence: Evidence,
    /// Where that is from.
    #[serde(default)]
    pub source: String,
    /// What it models.
    #[serde(default)]
    pub models: String,
    /// What a client sees on the wire.
    #[serde(default)]
    pub wire: String,
    /// What the official tool prints.
    #[serde(default)]
    pub official: String,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawFault", into = "RawFault")]
pub struct Fault {
    /// What reports call it; the effect's name if not given.
    pub name: Option<String>,
    /// What it does, and at which seam.
    pub effect: Effect,
    /// When.
    pub when: When,
}

impl Fault {
    /// A fault without conditions.
    pub fn new(effect: Effect) -> Fault {
        Fault { name: None, effect, when: When::always() }
    }

    /// The same under conditions.
    pub fn when(mut self, when: When) -> Fault {
        self.when = when;
        self
    }

    /// What reports call it.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.effect.name())
    }
}

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text is not TOML, or something in it is not part of a plan; the message names the line.
    #[error("no fault plan: {0}")]
    Text(#[from] toml::de::Error),
    /// The plan cannot be written.
    #[error("the plan cannot be written as TOML: {0}")]
    Unwritable(#[from] toml::ser::Error),
}

impl FaultPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanError::Text`].
    pub fn from_toml(text: &str) -> Result<FaultPlan, PlanError> {
        let mut plan: FaultPlan = toml::from_str(text)?;
        if let Some(about) = &plan.about {
            for fault in plan.faults.iter_mut().filter(|fault| fault.name.is_none()) {
                fault.name = Some(about.name.clone());
            }
        }
        Ok(plan)
    }

    /// Writes the plan, in a form that [`FaultPlan::from_toml`] reads.
    ///
    /// # Errors
    /// [`PlanError::Unwritable`].
    pub fn to_toml(&self) -> Result<String, PlanError> {
        Ok(toml::to_string(self)?)
    }

    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Adds the faults of another plan behind these.
    pub fn extend(&mut self, other: FaultPlan) {
        self.faults.extend(other.faults);
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> FaultPlan {
        FaultPlan { about: None, faults: faults.into_iter().collect() }
    }
}

/// A fault as it is written: the seam is the key of the effect.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<LineEffect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frame: Option<FrameEffect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceEffect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    power: Option<PowerEffect>,
    #[serde(default, skip_serializing_if = "is_always")]
    when: When,
}

fn is_always(when: &When) -> bool {
    *when == When::always()
}

impl TryFrom<RawFault> for Fault {
    type Error = String;

    fn try_from(raw: RawFault) -> Result<Fault, String> {
        let effects = [
            raw.line.map(Effect::Line),
            raw.frame.map(Effect::Frame),
            raw.device.map(Effect::Device),
            raw.power.map(Effect::Power),
        ];
        let mut effects = effects.into_iter().flatten();
        let (Some(effect), None) = (effects.next(), effects.next()) else {
            return Err("a fault has one effect: `line`, `frame`, `device` or `power`".to_owned());
        };
        let fault = Fault { name: raw.name, effect, when: raw.when };
        fault.check()?;
        Ok(fault)
    }
}

impl From<Fault> for RawFault {
    fn from(fault: Fault) -> RawFault {
        let (mut line, mut frame, mut device, mut power) = (None, None, None, None);
        match fault.effect {
            Effect::Line(effect) => line = Some(effect),
            Effect::Frame(effect) => frame = Some(effect),
            Effect::Device(effect) => device = Some(effect),
            Effect::Power(effect) => power = Some(effect),
        }
        RawFault { name: fault.name, line, frame, device, power, when: fault.when }
    }
}

/// Conditions that every seam knows.
const EVERYWHERE: &[&str] =
    &["stage", "command", "address", "time_us", "nth", "every", "probability", "times"];

impl Fault {
    /// Whether its numbers make sense and its conditions fit its effect.
    fn check(&self) -> Result<(), String> {
        let more: &[&str] = match &self.effect {
            Effect::Line(_) => &["reply", "direction", "byte", "session_byte", "frame_byte"],
            Effect::Frame(effect) if effect.acts_on_commands() => &[],
            Effect::Frame(_) => &["reply"],
            Effect::Device(_) => &[],
            Effect::Power(_) => &["on", "reply", "direction", "byte", "session_byte", "frame_byte"],
        };
        for condition in self.when.given() {
            if !EVERYWHERE.contains(&condition) && !more.contains(&condition) {
                let seam = self.effect.seam();
                return Err(format!("`when.{condition}` does not apply to this {seam} effect"));
            }
        }
        if self.when.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("`when.probability` is 0 to 1".to_owned());
        }
        if self.when.nth == Some(0) || self.when.every == Some(0) {
            return Err("`when.nth` and `when.every` count from 1".to_owned());
        }
        if self.when.on == Some(Moment::Time) && self.when.time_us.is_none() {
            return Err("`when.on = \"time\"` needs `when.time_us`".to_owned());
        }
        self.effect.check()
    }
}

impl Effect {
    fn check(&self) -> Result<(), String> {
        match self {
            Effect::Line(LineEffect::FlipBit { bit: Some(bit) }) if *bit > 7 => {
                Err("`bit` is 0 to 7".to_owned())
            }
            Effect::Line(LineEffect::ShortReads { bytes: 0 }) => Err("`bytes` is at least 1".to_owned()),
            Effect::Device(DeviceEffect::Fuses { offset, .. }) if offset % 4 != 0 || *offset >= 0x80 => {
                Err("`offset` is a multiple of 4 below 0x80".to_owned())
            }
            Effect::Device(DeviceEffect::FlashPart { part })
                if crate::flash::FlashPart::by_name(part).is_none() =>
            {
                Err(format!("no flash part is called {part:?}"))
            }
            Effect::Power(PowerEffect::Cut { progress_percent, .. }) if *progress_percent > 100 => {
                Err("`progress_percent` is 0 to 100".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The word that stands for it in a plan.
    pub fn name(&self) -> String {
        let value = match self {
            Effect::Line(effect) => serde_json::to_value(effect),
            Effect::Frame(effect) => serde_json::to_value(effect),
            Effect::Device(effect) => serde_json::to_value(effect),
            Effect::Power(effect) => serde_json::to_value(effect),
        };
        match value {
            Ok(serde_json::Value::String(word)) => word,
            Ok(serde_json::Value::Object(table)) => {
                table.into_iter().next().map(|(word, _)| word).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}
