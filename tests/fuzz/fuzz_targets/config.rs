#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bl702_harness::fuzz::feed("config", bytes));
