//! `bl702-emu run --rfc2217` and `bl702-emu ctl` from outside: sockets, programs, a protocol spoken by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support code: a failure is a failed test"
)]

#[allow(dead_code)]
#[path = "../serve/bench.rs"]
mod bench;
mod control_socket;
mod ctl;
mod faults;
mod network;
mod pyserial;
mod rfc2217;
mod ser2net;
