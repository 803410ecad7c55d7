//! `bl702-emu run` and `trace` as their users meet them: the program, a real pty, real files, signals.

mod bench;
mod clients;
mod conversation;
mod files;
mod links;
mod pacing;
mod recordings;
mod vectors;
