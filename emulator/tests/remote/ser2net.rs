//! ser2net 4 as the server in front of a module, its modem lines answered by `bl702-emu exec`.
//!
//! Needs the program, as the environment variable `BL702_SER2NET`; run with
//! `BL702_SER2NET=/usr/sbin/ser2net cargo test -p bl702-emulator --test remote -- --ignored`.
