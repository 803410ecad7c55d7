//! Every scenario of `features/*.feature` as a trial: `cargo test -p bl702-harness --test scenarios [FILTER]`.
//!
//! `TARGET` names the module: `emulated` (default), a port, or a bench's file (`tests/targets/bench-1.toml`).

use std::process::ExitCode;

fn main() -> ExitCode {
    bl702_harness::runner::main(std::env::args())
}
