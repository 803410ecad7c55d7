//! Faults as data: what goes wrong, where and when, and whether it did.
//!
//! A [`FaultPlan`] is a list of faults, written in TOML, each with one effect at one seam and the conditions under which
//! it acts. A module is armed with it ([`ModuleBuilder::faults`](crate::module::ModuleBuilder::faults),
//! [`Module::arm`](crate::module::Module::arm)), whatever drives the module, and tells afterwards what fired
//! ([`Module::fault_report`](crate::module::Module::fault_report)). The same plan and seed do the same on every machine.
//!
//! | part | what it does |
//! |---|---|
//! | `plan` | the list: reading, checking, writing |
//! | `effect` | what a fault does, seam by seam |
//! | `when` | the conditions |
//! | [`catalogue`] | plans that are built in |
//! | `trigger` | counting occasions, drawing lots, telling of what fired |
//! | `device` | what holds inside the chip and its flash |

pub mod catalogue;
pub(crate) mod device;
mod effect;
mod engine;
mod frame;
mod host;
mod line;
mod pins;
mod plan;
mod power;
mod trigger;
mod when;

pub use effect::{
    CutPoint, DeviceEffect, Effect, FloatOr, FrameEffect, HexBytes, LineEffect, LineLevel, PowerEffect,
};
pub(crate) use engine::Engine;
pub(crate) use frame::{FrameFaults, IdSet, Verdict};
pub use plan::{About, Evidence, Fault, FaultPlan, PlanError};
pub(crate) use power::Action;
pub(crate) use trigger::{Armed, Occasion};
pub use trigger::{FaultReport, FaultStatus, FirstFired};
pub use when::{Direction, Moment, ReplyKind, Span, When};

#[cfg(test)]
mod tests;
