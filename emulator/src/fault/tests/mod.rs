//! Every effect in virtual time, where it fires and where it does not.

mod frame;
mod line;
mod plan;
mod power;

use bl702_protocol::time::Nanos;

use super::{FaultPlan, FaultStatus};
use crate::module::{Module, Start};
use crate::profile::Profile;
use crate::transport::memory::MemoryLink;

/// "jedec id" of `fixtures/vectors/loader.jsonl`, and its answer.
const JEDEC: [u8; 4] = [0x36, 0, 0, 0];
const JEDEC_ANSWER: [u8; 8] = [0x4f, 0x4b, 4, 0, 0xc2, 0x20, 0x14, 0x80];
/// "erase one sector 0..0".
const ERASE_SECTOR: [u8; 12] = [0x30, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A plan from its text.
fn plan(text: &str) -> FaultPlan {
    FaultPlan::from_toml(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// One fault: its effect and its conditions.
fn fault(effect: &str, when: &str) -> FaultPlan {
    plan(&format!("[[fault]]\nname = \"it\"\n{effect}\nwhen = {{ {when} }}\n"))
}

/// A module in whose flash 1000h bytes are known.
fn module(start: Start, plan: FaultPlan) -> Module {
    let contents: Vec<u8> = (0..0x2000_u32).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect();
    Module::builder(Profile::builtin("xt-zb2").unwrap())
        .start(start)
        .flash(contents)
        .seed(1)
        .faults(plan)
        .build()
}

/// A link to a RAM loader before the handshake.
fn loader(plan: FaultPlan) -> MemoryLink {
    MemoryLink::new(module(Start::Loader, plan), 2_000_000)
}

/// The same in a session.
fn session(plan: FaultPlan) -> MemoryLink {
    let mut link = loader(plan);
    assert_eq!(link.exchange(&[0x55; 600]), b"OK");
    link
}

/// A link to a boot ROM in a session.
fn rom_session(plan: FaultPlan) -> MemoryLink {
    let mut link = MemoryLink::new(module(Start::Rom, plan), 500_000);
    assert_eq!(link.exchange(&[0x55; 150]), b"OK");
    link
}

/// What became of the only fault.
fn status(link: &MemoryLink) -> FaultStatus {
    let mut faults = link.module().fault_report().faults;
    assert_eq!(faults.len(), 1);
    faults.remove(0)
}

fn fired(link: &MemoryLink) -> u64 {
    status(link).fired
}

fn write(address: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x31, 0];
    frame.extend(((data.len() + 4) as u16).to_le_bytes());
    frame.extend(address.to_le_bytes());
    frame.extend(data);
    frame
}

fn read(address: u32, length: u32) -> Vec<u8> {
    let mut frame = vec![0x32, 0, 8, 0];
    frame.extend(address.to_le_bytes());
    frame.extend(length.to_le_bytes());
    frame
}

/// How long an exchange takes in module time.
fn took(link: &mut MemoryLink, bytes: &[u8]) -> (Vec<u8>, Nanos) {
    let before = link.module().now();
    let heard = link.exchange(bytes);
    (heard, link.module().now().since(before))
}
