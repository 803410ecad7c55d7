//! The steps, in the words of somebody who repairs modules.
//!
//! Three levels: the bench (what hands do), a host that sends bytes, and the flasher.

mod bench;
mod flash;
mod flasher;
mod frames;
mod fuses;
mod partitions;
mod report;
