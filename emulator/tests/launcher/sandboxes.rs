//! Where the kernel, or a sandbox around the launcher, does not allow what it needs.

use std::process::Command;

use rstest::rstest;

use crate::bench::{Bench, Done};

const FALLBACK: [&str; 3] = ["bl702-emu run --link", "--wiring none", "--rfc2217"];

/// Runs the launcher where system call `number` fails with `errno`; `None` where that cannot be arranged.
fn without(bench: &Bench, number: i64, errno: i32, client: &str) -> Option<Done> {
    let sandbox = bench.compile("forbid", &[])?;
    let program = bench.compile(client, &[])?;
    let mut command = Command::new(sandbox);
    command.args([number.to_string(), errno.to_string()]);
    command.arg(env!("CARGO_BIN_EXE_bl702-emu")).arg("exec").arg("--report").arg(bench.path("report.json"));
    command.arg("--").arg(program).arg("{port}");
    Some(bench.run(&mut command))
}

#[rstest]
#[case::no_filters(libc::SYS_seccomp, libc::EPERM)]
#[case::a_kernel_without_filters(libc::SYS_seccomp, libc::ENOSYS)]
#[case::an_old_sandbox(libc::SYS_pidfd_open, libc::ENOSYS)]
fn what_is_forbidden_is_told_with_the_way_out(#[case] number: i64, #[case] errno: i32) {
    let bench = Bench::new();
    let Some(done) = without(&bench, number, errno, "reset") else { return };
    assert_eq!(done.status.code(), Some(1), "{done:#?}");
    assert!(done.stderr.contains("does not let this process answer its client's system calls"), "{done:#?}");
    for expected in FALLBACK {
        assert!(done.stderr.contains(expected), "{expected}: {done:#?}");
    }
}

#[rstest]
#[case(libc::SYS_process_vm_readv)]
#[case(libc::SYS_process_vm_writev)]
fn the_clients_memory_is_reached_in_another_way(#[case] number: i64) {
    let bench = Bench::new();
    let Some(done) = without(&bench, number, libc::EPERM, "reset") else { return };
    assert_eq!(done.expect_success().count("resets"), 2);
}
