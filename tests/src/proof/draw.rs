//! Scenes from seeds: a random session under a random subset of faults.
//!
//! Swarm testing: not every scene may have every kind of fault. Which seams take part is drawn first, so that among the
//! scenes there are many with one kind only, and rare combinations are not drowned by frequent ones.

use std::ops::Range;

use bl702_emulator::event::Stage;
use bl702_emulator::fault::{
    CutPoint, DeviceEffect, Direction, Effect, Fault, FloatOr, FrameEffect, HexBytes, LineEffect, LineLevel,
    Moment, PowerEffect, ReplyKind, Span, When,
};
use bl702_emulator::profile::Wiring;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::scene::{Before, PartOf, PieceOf, SECTOR, Scene, Work};

/// The largest image.
const MOST_BYTES: u32 = 0x1_0000;
/// Pieces lie below this address on every board.
const LAST: u32 = 0x4_0000;

/// Random numbers that are the same everywhere: no `usize` is drawn.
struct Lots(ChaCha8Rng);

impl Lots {
    fn below(&mut self, limit: u32) -> u32 {
        self.0.random_range(0..limit.max(1))
    }

    fn within(&mut self, range: Range<u32>) -> u32 {
        self.0.random_range(range)
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u32) as usize]
    }

    /// Small numbers are as likely as large ones of twice the size are together.
    fn log_below(&mut self, limit: u32) -> u32 {
        let bits = 32 - limit.max(1).leading_zeros();
        let top = 1u64 << self.within(1..bits + 1);
        self.below(top.min(u64::from(limit)) as u32)
    }

    fn some<T>(&mut self, percent: u32, value: impl FnOnce(&mut Lots) -> T) -> Option<T> {
        self.percent(percent).then(|| value(self))
    }
}

/// From this seed on scenes are harder: those before stay what they are, for a seed is a scene for ever.
pub const HARD: u64 = 1_000_000;

/// The scene of a seed.
pub fn scene(seed: u64) -> Scene {
    let mut lots = Lots(ChaCha8Rng::seed_from_u64(seed));
    let mut scene = first_kind(seed, &mut lots);
    if seed >= HARD {
        make_harder(&mut scene, &mut lots);
    }
    scene
}

/// What the scenes before leave out: backups that go on from a part file, right or not; damage where no checksum is, in the
/// bytes to and from the boot ROM; restarts in the middle of an upload; and more faults at once.
fn make_harder(scene: &mut Scene, lots: &mut Lots) {
    if let Work::Backup { from, to, part } = &mut scene.work
        && lots.percent(50)
    {
        let bytes = lots.within(1..*to - *from + 1);
        *part = Some(PartOf { bytes, flaw: lots.some(40, |lots| lots.below(bytes)) });
    }
    for _ in 0..lots.below(4) {
        let fault = match lots.below(4) {
            0 | 1 => Fault::new(Effect::Line(short_damage(lots))).when(in_upload(lots)),
            2 => {
                let effect = match lots.below(3) {
                    0 => PowerEffect::BrownOut { us: 1 + u64::from(lots.log_below(200_000)) },
                    1 => PowerEffect::EnGlitch { us: 1 + u64::from(lots.log_below(200_000)) },
                    _ => PowerEffect::Cut {
                        at: CutPoint::After,
                        progress_percent: 0,
                        off_us: lots.some(80, |lots| 1 + u64::from(lots.log_below(2_000_000))),
                    },
                };
                let when = When { times: Some(1), on: Some(Moment::Command), ..rom_command(lots) };
                Fault::new(Effect::Power(effect)).when(when)
            }
            _ => line(lots),
        };
        scene.faults.push(fault);
    }
}

/// What changes the number or the value of single bytes.
fn short_damage(lots: &mut Lots) -> LineEffect {
    match lots.below(5) {
        0 | 1 => LineEffect::FlipBit { bit: lots.some(50, |lots| lots.below(8) as u8) },
        2 => LineEffect::Drop,
        3 => LineEffect::Duplicate,
        _ => {
            LineEffect::Insert { byte: lots.one_of(&[0x00, 0x10, 0x30, 0x31, 0x40, 0x50, 0x55, 0x80, 0xFF]) }
        }
    }
}

fn rom_command(lots: &mut Lots) -> When {
    When {
        stage: Some(Stage::Rom),
        command: Some(lots.one_of(&[0x10, 0x11, 0x17, 0x18, 0x19, 0x50, 0x51])),
        nth: lots.some(40, |lots| 1 + u64::from(lots.log_below(4))),
        ..When::always()
    }
}

/// A byte of what the boot ROM gets or says, heads more often than not.
fn in_upload(lots: &mut Lots) -> When {
    let at = if lots.percent(60) { lots.below(6) } else { lots.log_below(256) };
    When {
        direction: Some(direction(lots)),
        frame_byte: Some(Span::one(u64::from(at))),
        times: Some(1 + u64::from(lots.log_below(3))),
        ..rom_command(lots)
    }
}

fn first_kind(seed: u64, lots: &mut Lots) -> Scene {
    let work = work(lots);
    let before = before(lots, &work);
    let profile = match lots.below(16) {
        0 => "xt-zb2",
        1 => "bl702-1m-gd",
        2 => "bl702-1m-winbond",
        _ => "bl702-512k-kh",
    };
    let wiring = match lots.below(10) {
        0..2 => Wiring::None,
        2 => Wiring::DtrEn,
        _ => Wiring::RtsEn,
    };
    Scene {
        seed,
        profile: profile.to_owned(),
        wiring,
        loader_runs: lots.percent(10),
        interrupt_after: lots.some(4, |lots| u64::from(lots.log_below(2000))),
        before,
        work,
        faults: faults(lots),
    }
}

fn work(lots: &mut Lots) -> Work {
    match lots.below(100) {
        0..42 => Work::Write { pieces: pieces(lots) },
        42..66 => {
            let (from, to) = range(lots);
            Work::Backup { from, to, part: None }
        }
        66..78 => Work::Verify { pieces: pieces(lots) },
        78..90 => {
            let (from, to) = range(lots);
            Work::Erase { from, to }
        }
        90..91 => Work::EraseChip,
        _ => Work::Info,
    }
}

/// 4 to 64 KiB, small ones more often; half of them on sector boundaries.
fn range(lots: &mut Lots) -> (u32, u32) {
    let mut bytes = SECTOR + lots.log_below(MOST_BYTES - SECTOR);
    let mut from = lots.below(LAST - MOST_BYTES);
    if lots.percent(50) {
        bytes = bytes.next_multiple_of(SECTOR);
        from = from / SECTOR * SECTOR;
    }
    (from, from + bytes)
}

fn pieces(lots: &mut Lots) -> Vec<PieceOf> {
    let (from, to) = range(lots);
    let first = PieceOf { address: from, bytes: to - from, seed: lots.below(1000) };
    let mut pieces = vec![first];
    if lots.percent(15) {
        // A second one, in the same sector or the next.
        let address = to + lots.below(SECTOR);
        pieces.push(PieceOf { address, bytes: 1 + lots.below(SECTOR), seed: lots.below(1000) });
    }
    pieces
}

fn before(lots: &mut Lots, work: &Work) -> Before {
    let noise_bytes = match lots.below(4) {
        0 => 0,
        _ => lots.below(LAST),
    };
    let pieces_there = match work {
        Work::Verify { .. } => true,
        _ => lots.percent(15),
    };
    let mut flaws = Vec::new();
    if pieces_there && lots.percent(60) {
        let place = work.pieces().first().map_or(0..1, |piece| piece.address..piece.address + piece.bytes);
        flaws = (0..lots.within(1..4)).map(|_| lots.within(place.clone())).collect();
        flaws.sort_unstable();
        flaws.dedup();
    }
    Before { noise_bytes, noise_seed: lots.below(1000), pieces_there, flaws }
}

fn faults(lots: &mut Lots) -> Vec<Fault> {
    let seams: Vec<u32> = (0..4).filter(|_| lots.percent(45)).collect();
    if seams.is_empty() {
        // One in eleven of all scenes would be quiet; two thirds of these get a single fault of the line.
        return if lots.percent(65) { vec![line(lots)] } else { Vec::new() };
    }
    let count = match lots.below(100) {
        0..40 => 1,
        40..70 => 2,
        70..90 => 3,
        _ => 4,
    };
    (0..count)
        .map(|_| match lots.one_of(&seams) {
            0 => line(lots),
            1 => frame(lots),
            2 => device(lots),
            _ => power(lots),
        })
        .collect()
}

/// Commands that the flasher sends, by who gets them.
const ROM_COMMANDS: [u8; 6] = [0x10, 0x11, 0x17, 0x18, 0x19, 0x50];
const LOADER_COMMANDS: [u8; 9] = [0x10, 0x30, 0x31, 0x32, 0x36, 0x3A, 0x3C, 0x3D, 0x42];

fn command(lots: &mut Lots) -> When {
    let is_rom = lots.percent(25);
    let (stage, command) = if is_rom {
        (Stage::Rom, lots.one_of(&ROM_COMMANDS))
    } else {
        (Stage::Loader, lots.one_of(&LOADER_COMMANDS))
    };
    When {
        stage: Some(stage),
        command: Some(command),
        nth: lots.some(60, |lots| 1 + u64::from(lots.log_below(8))),
        ..When::always()
    }
}

fn direction(lots: &mut Lots) -> Direction {
    if lots.percent(50) { Direction::ToHost } else { Direction::ToModule }
}

/// A place on the line, once or now and then.
fn place(lots: &mut Lots) -> When {
    let direction = Some(direction(lots));
    match lots.below(10) {
        0..4 => {
            When { direction, byte: Some(Span::one(u64::from(lots.log_below(100_000)))), ..When::always() }
        }
        4..8 => {
            let frame_byte = Some(Span::one(u64::from(lots.log_below(64))));
            let times = lots.some(80, |lots| 1 + u64::from(lots.log_below(3)));
            When { direction, frame_byte, times, ..command(lots) }
        }
        8 => {
            let probability = Some(f64::from(1 + lots.below(1000)) * 1e-6);
            When { direction, probability, ..When::always() }
        }
        _ => {
            let from = u64::from(lots.log_below(4_000_000));
            let time_us = Some(Span { from, to: from + 1 + u64::from(lots.log_below(500_000)) });
            When { direction, time_us, times: Some(1 + u64::from(lots.log_below(20))), ..When::always() }
        }
    }
}

fn line(lots: &mut Lots) -> Fault {
    let effect = match lots.below(100) {
        0..30 => LineEffect::FlipBit { bit: lots.some(50, |lots| lots.below(8) as u8) },
        30..45 => LineEffect::Drop,
        45..58 => LineEffect::Duplicate,
        58..68 => LineEffect::Insert {
            byte: lots.one_of(&[0x00, 0x30, 0x40, 0x46, 0x4B, 0x4F, 0x50, 0x55, 0x80, 0xFF]),
        },
        68..75 => LineEffect::Noise { bytes: 1 + lots.log_below(200) },
        75..80 => LineEffect::Stall { us: 1 + u64::from(lots.log_below(5_000_000)) },
        80..85 => LineEffect::Clog { us: 1 + u64::from(lots.log_below(5_000_000)) },
        85..89 => LineEffect::Stuck {
            level: lots.one_of(&[LineLevel::High, LineLevel::Low]),
            us: lots.some(70, |lots| 1 + u64::from(lots.log_below(10_000_000))),
        },
        89..90 => return Fault::new(Effect::Line(LineEffect::Swapped)),
        90..93 => {
            let baud_bps = lots.one_of(&[400_000, 600_000, 1_000_000, 1_500_000]);
            return Fault::new(Effect::Line(LineEffect::GarbageAbove { baud_bps }));
        }
        93..97 => {
            let us = lots.one_of(&[1_000, 16_000]);
            return Fault::new(Effect::Line(LineEffect::Latency { us }));
        }
        _ => {
            let bytes = 1 + lots.log_below(64);
            return Fault::new(Effect::Line(LineEffect::ShortReads { bytes }));
        }
    };
    let when = place(lots);
    Fault::new(Effect::Line(effect)).when(when)
}

/// Codes that either side can answer, and some that none does.
const CODES: [u16; 12] =
    [0x0003, 0x0004, 0x0006, 0x0101, 0x0103, 0x0104, 0x0206, 0x0304, 0x0402, 0x0405, 0x0504, 0xFFFC];

fn frame(lots: &mut Lots) -> Fault {
    let effect = match lots.below(100) {
        0..20 => FrameEffect::LoseReply,
        20..35 => FrameEffect::DelayReply { us: 1 + u64::from(lots.log_below(6_000_000)) },
        35..50 => FrameEffect::RepeatReply { times: 1 + lots.below(3) as u8 },
        50..62 => FrameEffect::ReplaceReply { bytes: answer(lots) },
        62..75 => FrameEffect::LoseCommand,
        75..92 => FrameEffect::Refuse { code: lots.one_of(&CODES) },
        _ => FrameEffect::Answer { bytes: answer(lots) },
    };
    let mut when = command(lots);
    if !effect.acts_on_commands() {
        when.reply = lots.some(40, |lots| {
            lots.one_of(&[ReplyKind::Ok, ReplyKind::Data, ReplyKind::Pending, ReplyKind::Refusal])
        });
    }
    if when.nth.is_none() {
        when.times = lots.some(60, |lots| 1 + u64::from(lots.log_below(4)));
    }
    Fault::new(Effect::Frame(effect)).when(when)
}

fn answer(lots: &mut Lots) -> HexBytes {
    let mut bytes = match lots.below(5) {
        0 => b"OK".to_vec(),
        1 => b"PD".to_vec(),
        2 => vec![b'O', b'K', 4, 0],
        3 => vec![b'F', b'L', 6, 0],
        _ => Vec::new(),
    };
    for _ in 0..lots.log_below(8) {
        bytes.push(lots.below(256) as u8);
    }
    HexBytes(bytes)
}

fn device(lots: &mut Lots) -> Fault {
    let place = |lots: &mut Lots| {
        let from = u64::from(lots.below(LAST));
        Some(Span { from, to: from + 1 + u64::from(lots.log_below(0x1_0000)) })
    };
    let some_times = |lots: &mut Lots| When {
        nth: lots.some(40, |lots| 1 + u64::from(lots.log_below(40))),
        times: lots.some(50, |lots| 1 + u64::from(lots.log_below(4))),
        ..When::always()
    };
    let (effect, when) = match lots.below(100) {
        0..12 => (fuses(lots), When::always()),
        12..16 => (DeviceEffect::PllNeverLocks, When::always()),
        16..19 => (DeviceEffect::CrystalDead, When::always()),
        19..23 => (DeviceEffect::FlashUnknown, When::always()),
        23..27 => (
            DeviceEffect::FlashDead { level: lots.one_of(&[LineLevel::High, LineLevel::Low]) },
            When::always(),
        ),
        27..30 => (
            DeviceEffect::JedecId { id: lots.one_of(&[[0xC2, 0x20, 0x13], [0xEF, 0x40, 0x16], [0; 3]]) },
            When::always(),
        ),
        30..36 => (DeviceEffect::Protected, When { address: place(lots), ..When::always() }),
        36..42 => (
            DeviceEffect::WeakBits { mask: 1 << lots.below(8) },
            When { address: place(lots), ..When::always() },
        ),
        42..48 => {
            let ones = lots.percent(50);
            (
                DeviceEffect::StuckBits { mask: 1 << lots.below(8), ones },
                When { address: place(lots), ..When::always() },
            )
        }
        48..53 => (
            DeviceEffect::Worn { bits: 1 + lots.log_below(16) },
            When { address: place(lots), ..When::always() },
        ),
        53..62 => (DeviceEffect::ProgramFails, some_times(lots)),
        62..71 => (DeviceEffect::EraseFails, some_times(lots)),
        71..79 => (DeviceEffect::ProgramLies, some_times(lots)),
        79..87 => (DeviceEffect::EraseLies, some_times(lots)),
        87..91 => (DeviceEffect::SlowErase { factor: 2 + lots.log_below(40) }, some_times(lots)),
        91..95 => (DeviceEffect::SlowProgram { factor: 2 + lots.log_below(40) }, some_times(lots)),
        95..98 => {
            let stage = Some(Stage::Loader);
            let command = Some(lots.one_of(&LOADER_COMMANDS));
            (DeviceEffect::LoaderHangs, When { stage, command, ..some_times(lots) })
        }
        98..99 => {
            (DeviceEffect::BootPin { level: lots.one_of(&[FloatOr::Low, FloatOr::Floating]) }, When::always())
        }
        _ => (DeviceEffect::EnableHeld, When::always()),
    };
    Fault::new(Effect::Device(effect)).when(when)
}

/// Fuses that matter (ROM reference 3), and any others.
fn fuses(lots: &mut Lots) -> DeviceEffect {
    match lots.below(6) {
        0 => DeviceEffect::Fuses { offset: 0, bits: 1 << 2 },
        1 => DeviceEffect::Fuses { offset: 0, bits: 1 + lots.below(3) },
        2 => DeviceEffect::Fuses { offset: 0x10, bits: 1 << lots.one_of(&[1, 20, 24, 25, 27]) },
        3 => DeviceEffect::Fuses { offset: 0x14, bits: 1 << lots.below(32) },
        _ => DeviceEffect::Fuses { offset: 4 * lots.below(32) as u8, bits: lots.0.next_u32() },
    }
}

fn power(lots: &mut Lots) -> Fault {
    let effect = match lots.below(100) {
        0..50 => PowerEffect::Cut {
            at: lots.one_of(&[CutPoint::Before, CutPoint::Inside, CutPoint::Inside, CutPoint::After]),
            progress_percent: lots.below(101) as u8,
            off_us: lots.some(60, |lots| 1 + u64::from(lots.log_below(8_000_000))),
        },
        50..65 => PowerEffect::BrownOut { us: 1 + u64::from(lots.log_below(200_000)) },
        65..80 => PowerEffect::EnGlitch { us: 1 + u64::from(lots.log_below(200_000)) },
        _ => PowerEffect::Unplug { back_us: lots.some(50, |lots| 1 + u64::from(lots.log_below(8_000_000))) },
    };
    let nth = Some(1 + u64::from(lots.log_below(300)));
    let on_operation = matches!(effect, PowerEffect::Cut { .. }) && lots.percent(60);
    let when = match lots.below(4) {
        _ if on_operation => When { on: Some(Moment::Operation), nth, ..When::always() },
        0 => {
            let from = u64::from(lots.log_below(6_000_000));
            When { on: Some(Moment::Time), time_us: Some(Span { from, to: from + 1 }), ..When::always() }
        }
        1 => {
            let (direction, nth) = (Some(direction(lots)), Some(1 + u64::from(lots.log_below(60_000))));
            When { on: Some(Moment::Byte), direction, nth, ..When::always() }
        }
        2 => When { on: Some(Moment::Command), ..command(lots) },
        _ => When { on: Some(Moment::Reply), ..command(lots) },
    };
    // Without this, one with a repeating occasion would cut again and again; that is drawn, too, but seldom.
    let times = when.nth.is_none().then_some(1).filter(|_| lots.percent(90));
    Fault::new(Effect::Power(effect)).when(When { times, ..when })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bl702_emulator::fault::FaultPlan;

    #[test]
    fn every_scene_can_be_written_and_read() {
        for seed in 0..300 {
            let drawn = scene(seed);
            assert_eq!(Scene::from_toml(&drawn.to_toml()), drawn, "seed {seed}");
            let plan: FaultPlan = drawn.faults.into_iter().collect();
            FaultPlan::from_toml(&plan.to_toml().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_seed_is_a_scene_for_ever() {
        let text: String = (0..3).map(|seed| scene(seed).to_toml()).collect::<Vec<_>>().join("\n---\n");
        insta::assert_snapshot!(text);
    }
}
