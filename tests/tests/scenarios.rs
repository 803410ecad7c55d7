//! Every scenario of `features/*.feature` as a trial: `cargo test -p bl702-harness --test scenarios [FILTER]`.

use std::process::ExitCode;

use bl702_harness::{catalogue, runner};
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, runner::trials(&catalogue::features_folder())).exit_code()
}
