//! The proof that nothing is lost: whole sessions under faults, and a checker that is not part of what it checks.
//!
//! | part | what it does |
//! |---|---|
//! | [`scene`] | what is done, to which module, under which faults: data, in TOML or drawn from a seed |
//! | [`bench`](mod@bench) | the port between both ends; it can be cut, and it ends what would never end |
//! | [`run`](mod@run) | plays a scene and keeps the evidence |
//! | [`checker`] | says from the evidence whether the contract was kept |
//! | [`draw`] | scenes from seeds |
//! | [`minimise`] | the smallest scene that still breaks the contract |
//! | [`campaign`] | many scenes on all cores, the tally, and what to do about one that failed |
//! | [`mutant`] | flashers that are wrong on purpose, which the checker has to catch |
//!
//! The checker takes nothing from the flasher but its result, its events and its error. What the flash should hold it
//! computes by itself from the scene; what it holds it reads from the module's cells.

pub mod bench;
pub mod campaign;
pub mod checker;
pub mod draw;
pub mod minimise;
pub mod mutant;
pub mod run;
pub mod scene;
