//! What the boot ROM would make of a frame whose head is damaged on the way.
//!
//! The ROM has no checksum. A byte that is no command id it passes over, and looks for an id in the next one: where the id
//! of a frame is lost, its payload is searched for commands, and 31h in it programs flash, 40h burns fuses (ROM reference
//! 1.3). What is sent to it is therefore chosen so that no single byte that is changed, lost, doubled or slips in makes it do
//! that: data are cut into frames accordingly, and what cannot be helped is told.

use std::sync::LazyLock;

use bl702_protocol::command::RomCommand;
use bl702_protocol::frame::{ROM_MAX_PAYLOAD, RequestHeader};
use rustc_hash::FxHashMap;

/// The highest rate at which the ROM, when it is idle, looks at its bytes one by one, so that what it finds can be foretold
/// (ROM reference 1.10).
pub(super) const FORETOLD_BPS: u32 = 500_000;

/// Parts of the time of a byte in which times are counted here.
const BYTE: usize = 64;

/// What the ROM needs for a look at its UART, for passing over a byte, and from the last byte of a command to its answer and
/// its line in the log, at [`FORETOLD_BPS`] (`emulator/src/rom/timing.rs`).
const LOOK: usize = 20;
const PASS_OVER: usize = 15;
const SILENT: usize = 48;
const REFUSED: usize = 80;
const HANDLED: usize = 160;
const REFUSED_LENGTH: usize = 250;

/// By how many percent of that the ROM may be faster or slower: between the extremes of ROM reference 1.10, and so fast as it
/// is at a low rate, where it finds one byte at a time.
const SPEEDS: [usize; 8] = [20, 80, 100, 120, 145, 180, 220, 280];

/// A command that the ROM would find, and that does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Harm {
    /// The byte behind its last one, counted from the beginning of the data: a frame that ends before does no harm.
    end: usize,
    /// The command.
    pub(super) id: u8,
}

/// The command that an unknown id runs again (ROM reference 1.3), as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Selected {
    Harmless,
    Harmful(RomCommand),
}

impl Selected {
    fn of(command: RomCommand) -> Selected {
        use RomCommand as C;
        match command {
            C::FlashErase | C::FlashWrite | C::EfuseWrite | C::SealedEfuseWrite | C::MemoryWrite => {
                Selected::Harmful(command)
            }
            _ => Selected::Harmless,
        }
    }
}

/// Where the ROM stands when it looks at its UART, between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stand {
    /// The next byte, from the beginning of the head or of the data.
    at: usize,
    selected: Selected,
    /// How much of an earlier payload counts as stored already.
    fill: usize,
    /// How long ago the byte before the next arrived.
    late: usize,
}

impl Stand {
    /// When it looks at its bytes one by one, what was before does not matter: only an id that it knows begins anything.
    fn idle(at: usize) -> Stand {
        Stand { at, selected: Selected::Harmless, fill: 0, late: 0 }
    }

    /// Whether it is such a stand.
    fn is_idle(self) -> bool {
        self == Stand::idle(self.at)
    }

    /// Free again at a time, counted from the beginning.
    fn free_at(time: usize, at: usize, selected: Selected, fill: usize) -> Stand {
        let late = time.saturating_sub(at * BYTE);
        // One byte at most is there then.
        if late < 2 * BYTE { Stand::idle(at) } else { Stand { at, selected, fill, late } }
    }
}

/// Data of which frames are to be made, searched for harm.
pub(super) struct Search<'d> {
    data: &'d [u8],
    /// For each byte of the data, the first from it on that is an id.
    ids: Vec<usize>,
    /// What comes of a stand, by speed.
    known: FxHashMap<(usize, Stand), Outcome>,
    /// How a head may be damaged; first what did harm to the last frame that was harmed: most likely that does it again.
    damages: Vec<Damage>,
}

/// What comes of a stand.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// This is the first harm.
    Harm(Harm),
    /// None that ends before this byte of the data.
    NoneBefore(usize),
}

/// What a part of a poll came to.
enum Next {
    Stand(Stand),
    Harm(Harm),
    /// The ROM waits for more than there is, and no harm comes of that: whoever gets no answer lets the session end.
    Waits,
}

impl<'d> Search<'d> {
    /// A search of these data.
    pub(super) fn new(data: &'d [u8]) -> Search<'d> {
        let mut ids = vec![data.len(); data.len()];
        let mut next = data.len();
        for (at, byte) in data.iter().enumerate().rev() {
            if command(*byte).is_some() {
                next = at;
            }
            ids[at] = next;
        }
        Search { data, ids, known: FxHashMap::default(), damages: Damage::all() }
    }

    /// The harm that a frame with `len` bytes of the data from `from` on does if one byte of its head is damaged.
    pub(super) fn harm(&mut self, head: [u8; 4], from: usize, len: usize) -> Option<Harm> {
        for number in 0..self.damages.len() {
            let Some(head) = self.damages[number].head(head) else { continue };
            if let Some(harm) = self.harm_of(head.bytes(), from, len) {
                self.damages.swap(0, number);
                return Some(harm);
            }
        }
        None
    }

    fn harm_of(&mut self, head: &[u8], from: usize, len: usize) -> Option<Harm> {
        (0..SPEEDS.len()).find_map(|speed| self.harm_at(speed, head, from, len))
    }

    /// The same at one of the [`SPEEDS`].
    fn harm_at(&mut self, speed: usize, head: &[u8], from: usize, len: usize) -> Option<Harm> {
        // What follows the head is counted from the beginning of the data, so that all heads of all frames share what is
        // known of it.
        let end = (from + len).min(self.data.len());
        let frame = Bytes { head, data: &self.data[from..end], ids: &self.ids[from..end], ids_from: from };
        let mut stand = Stand::idle(0);
        while stand.at < head.len() {
            match frame.poll(stand, SPEEDS[speed]) {
                Next::Stand(next) => stand = next,
                Next::Harm(harm) => return Some(Harm { end: from + harm.end, ..harm }),
                Next::Waits => return None,
            }
        }
        let at = from + stand.at - head.len();
        self.first_harm(speed, Stand { at, ..stand }, end).filter(|harm| harm.end <= end)
    }

    /// The first harm that comes from here on, if it ends before `end`, and perhaps if it does not.
    fn first_harm(&mut self, speed: usize, mut stand: Stand, end: usize) -> Option<Harm> {
        let data = Bytes { head: &[], data: self.data, ids: &self.ids, ids_from: 0 };
        let mut passed = Vec::new();
        let outcome = loop {
            if stand.is_idle() {
                // Whatever it passes over, it comes to the same id.
                stand.at = self.ids.get(stand.at).copied().unwrap_or(self.data.len());
            }
            if stand.at >= end {
                break Outcome::NoneBefore(stand.at);
            }
            match self.known.get(&(speed, stand)) {
                Some(Outcome::NoneBefore(at)) if *at < end => {}
                Some(known) => break *known,
                None => {}
            }
            passed.push(stand);
            match data.poll(stand, SPEEDS[speed]) {
                Next::Stand(next) => stand = next,
                Next::Harm(harm) => break Outcome::Harm(harm),
                Next::Waits => break Outcome::NoneBefore(usize::MAX),
            }
        };
        self.known.extend(passed.into_iter().map(|stand| ((speed, stand), outcome)));
        match outcome {
            Outcome::Harm(harm) => Some(harm),
            Outcome::NoneBefore(_) => None,
        }
    }
}

/// Bytes as they arrive.
struct Bytes<'d> {
    head: &'d [u8],
    data: &'d [u8],
    /// Where the ids in these data are, as in [`Search::ids`], and of which byte the first tells.
    ids: &'d [usize],
    ids_from: usize,
}

impl Bytes<'_> {
    fn len(&self) -> usize {
        self.head.len() + self.data.len()
    }

    fn get(&self, at: usize) -> Option<u8> {
        let in_data = || self.data.get(at - self.head.len());
        self.head.get(at).or_else(in_data).copied()
    }

    /// The first id from here on.
    fn next_id(&self, at: usize) -> Option<usize> {
        let in_head = (at..self.head.len()).find(|at| command(self.head[*at]).is_some());
        in_head.or_else(|| {
            let id = self.ids.get(at.saturating_sub(self.head.len()))? - self.ids_from + self.head.len();
            Some(id).filter(|id| *id < self.len())
        })
    }

    fn word(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes([self.get(at)?, self.get(at + 1)?, self.get(at + 2)?, self.get(at + 3)?]))
    }

    /// Follows the ROM through one look at its UART (`emulator/src/rom/parser.rs` is the same from the other side).
    fn poll(&self, stand: Stand, speed: usize) -> Next {
        let Stand { mut at, mut selected, mut fill, mut late } = stand;
        if late < BYTE {
            // Byte by byte: the next id, if there is one.
            let Some(id) = self.next_id(at) else { return Next::Waits };
            (at, late) = (id, BYTE);
        }
        let takes = |time: usize| time * speed / 100;
        let end = (at + late / BYTE).min(self.len());
        let mut time = at * BYTE + late + takes(LOOK);
        if at >= end {
            return Next::Waits;
        }
        while at < end {
            let whole_head = end - at >= RequestHeader::LEN;
            let known = self.get(at).and_then(command);
            if known.is_none() && !whole_head {
                (at, time) = (at + 1, time + takes(PASS_OVER));
                continue;
            }
            let Some(header) = self.word(at) else { return Next::Waits };
            if let Some(command) = known {
                (selected, fill) = (Selected::of(command), 0);
            }
            let length = (header >> 16) as usize;
            let payload = at + RequestHeader::LEN;
            if !whole_head {
                // The rest of the head comes byte by byte, or with what piles up until then.
                time = time.max(payload * BYTE + takes(LOOK));
            }
            if length > ROM_MAX_PAYLOAD {
                // The rest of the poll that completed the head is dropped.
                let at = if whole_head { end } else { payload };
                return Next::Stand(Stand::free_at(time + takes(REFUSED_LENGTH), at, selected, fill));
            }
            let in_one_go = whole_head && end - payload >= length;
            if !in_one_go && fill > length {
                // The ROM copies almost 4 GiB and is dead until it is reset.
                return Next::Waits;
            }
            let stop = payload + if in_one_go { length } else { length - fill };
            if stop > self.len() {
                return Next::Waits;
            }
            let harm = match (known, selected) {
                (Some(command), _) => self.is_harm(command, payload, length).then_some(command),
                (None, Selected::Harmful(command)) => {
                    self.is_harm_again(command, payload, length, fill).then_some(command)
                }
                (None, Selected::Harmless) => None,
            };
            if let Some(command) = harm {
                return Next::Harm(Harm { end: stop.saturating_sub(self.head.len()), id: command.id() });
            }
            let span = takes(span_of(known, length));
            if !in_one_go {
                let free = time.max(stop * BYTE) + span;
                return Next::Stand(Stand::free_at(free, stop, selected, length));
            }
            (at, time) = (stop, time + span);
        }
        Next::Stand(Stand::free_at(time, end, selected, fill))
    }

    /// Whether a command changes flash, fuses or peripherals (ROM reference 1.4).
    fn is_harm(&self, command: RomCommand, at: usize, length: usize) -> bool {
        let Some(address) = self.word(at) else { return false };
        match command {
            RomCommand::FlashErase => length == 8,
            RomCommand::FlashWrite => length > 4 && address != u32::MAX,
            RomCommand::EfuseWrite | RomCommand::SealedEfuseWrite => length > 4 && address & !3 < 0x80,
            RomCommand::MemoryWrite if length.is_multiple_of(8) => {
                (at..at + length).step_by(8).filter_map(|at| self.word(at)).any(is_controller)
            }
            _ => false,
        }
    }

    /// The same for a command that is run again under an unknown id. Its payload begins with `fill` bytes of the one before,
    /// which did no harm.
    fn is_harm_again(&self, command: RomCommand, at: usize, length: usize, fill: usize) -> bool {
        match command {
            RomCommand::FlashErase => length == 8,
            RomCommand::FlashWrite => length > 4,
            RomCommand::EfuseWrite | RomCommand::SealedEfuseWrite if fill >= 4 => false,
            RomCommand::MemoryWrite if fill > 0 => {
                length.is_multiple_of(8)
                    && (at..at + length - fill).filter_map(|at| self.word(at)).any(is_controller)
            }
            _ => self.is_harm(command, at, length),
        }
    }
}

/// Registers of the eFuse controller (ROM reference 1.4, 41h) and of the flash controller (SDK). A store to any other one may
/// hang the chip until it is reset, and changes no flash and no fuse.
fn is_controller(address: u32) -> bool {
    matches!(address & 0xFFFF_F000, 0x4000_7000 | 0x4000_B000)
}

/// How long the ROM is at a command. An unknown id runs one again of which it is only known that it does no harm.
fn span_of(known: Option<RomCommand>, length: usize) -> usize {
    use RomCommand as C;
    match known {
        Some(C::GetBootInfo) => HANDLED,
        Some(C::MemoryRead | C::EfuseRead) if length == 8 => HANDLED,
        Some(C::MemoryWrite) if length.is_multiple_of(8) => HANDLED,
        Some(C::ChangeRate | C::FlashBoot) => SILENT,
        _ => REFUSED,
    }
}

/// The command of an id that the ROM accepts.
fn command(id: u8) -> Option<RomCommand> {
    // It is asked of every byte, and often.
    static COMMANDS: LazyLock<[Option<RomCommand>; 256]> = LazyLock::new(|| {
        let accepted = |id| RomCommand::from_id(id).filter(|command| command.is_enabled());
        std::array::from_fn(|id| u8::try_from(id).ok().and_then(accepted))
    });
    COMMANDS[usize::from(id)]
}

/// What may happen to one byte of a head. A byte more or less in the payload is among them: it makes the frame too short, or
/// its last byte the first of the next.
#[derive(Clone, Copy, Debug)]
struct Damage {
    at: usize,
    kind: DamageKind,
}

#[derive(Clone, Copy, Debug)]
enum DamageKind {
    /// One of its bits is flipped.
    Flipped(u8),
    Lost,
    Doubled,
    /// Another byte slips in before it.
    Before(u8),
}

impl Damage {
    /// Each bit flipped, each byte lost or doubled, and each id and 0 slipped in.
    fn all() -> Vec<Damage> {
        let ids = (0..=u8::MAX).filter(|id| command(*id).is_some());
        let kinds: Vec<DamageKind> = (0..8)
            .map(DamageKind::Flipped)
            .chain([DamageKind::Lost, DamageKind::Doubled])
            .chain(ids.chain([0]).map(DamageKind::Before))
            .collect();
        (0..RequestHeader::LEN).flat_map(|at| kinds.iter().map(move |&kind| Damage { at, kind })).collect()
    }

    /// What it makes of a head; none where that cannot be helped.
    fn head(self, head: [u8; 4]) -> Option<Head> {
        let at = self.at;
        let mut bytes = [0; 5];
        bytes[..4].copy_from_slice(&head);
        let mut slip_in = |byte| {
            bytes.copy_within(at..4, at + 1);
            bytes[at] = byte;
        };
        let len = match self.kind {
            DamageKind::Before(byte) => {
                slip_in(byte);
                5
            }
            DamageKind::Doubled => {
                slip_in(head[at]);
                5
            }
            DamageKind::Lost => {
                bytes.copy_within(at + 1.., at);
                3
            }
            DamageKind::Flipped(bit) => {
                bytes[at] ^= 1 << bit;
                4
            }
        };
        // Whatever is in the header, that may happen to its id; it is found out behind it (`Upload::send`).
        let is_write = [head[0], bytes[0]] == [RomCommand::LoadBootHeader.id(), RomCommand::FlashWrite.id()];
        let is_helped = !(is_write && matches!(self.kind, DamageKind::Flipped(_)));
        is_helped.then_some(Head { bytes, len })
    }
}

/// A damaged head.
struct Head {
    bytes: [u8; 5],
    len: usize,
}

impl Head {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 31h with five bytes: program EEh at 12h.
    const WRITE: [u8; 9] = [0x31, 0, 5, 0, 0x12, 0, 0, 0, 0xEE];

    fn head(len: usize) -> [u8; 4] {
        [0x18, 0xAA, len as u8, (len >> 8) as u8]
    }

    fn harm(payload: &[u8], len: usize) -> Option<u8> {
        Search::new(payload).harm(head(len), 0, len).map(|harm| harm.id)
    }

    #[test]
    fn a_write_in_the_payload_is_found_unless_the_frame_ends_before_it() {
        let payload = [vec![0xFF; 40], WRITE.to_vec(), vec![0xFF; 40]].concat();
        assert_eq!(harm(&payload, 80), Some(0x31));
        assert_eq!(harm(&payload, 49), Some(0x31));
        assert_eq!(harm(&payload, 48), None);
    }

    fn harm_without_id(payload: &[u8]) -> Option<u8> {
        Search::new(payload).harm_of(&head(payload.len())[1..], 0, payload.len()).map(|harm| harm.id)
    }

    #[test]
    fn what_another_command_takes_as_its_payload_is_not_found() {
        // 10h with all of the write as its payload, which it ignores.
        let hidden = [&[0x10, 0, 9, 0][..], &WRITE].concat();
        assert_eq!(harm_without_id(&hidden), None);
        assert_eq!(harm_without_id(&hidden[1..]), Some(0x31));
    }

    #[test]
    fn what_the_rom_refuses_does_no_harm() {
        assert_eq!(harm_without_id(&[0x40, 0, 5, 0, 0x7F, 0, 0, 0, 1]), Some(0x40));
        assert_eq!(harm_without_id(&[0x40, 0, 5, 0, 0x80, 0, 0, 0, 1]), None);
        assert_eq!(harm_without_id(&[0x30, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(0x30));
        assert_eq!(harm_without_id(&[0x30, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    /// An id that is not known runs the last one again when the ROM finds four bytes at once, as it may after an answer.
    #[test]
    fn a_command_that_is_run_again_counts() {
        // 31h with a length that is refused, then an unknown id with one that is not.
        let again = [0x31, 0, 0, 0xFF, 0xEE, 0, 5, 0, 1, 2, 3, 4, 5];
        assert_eq!(harm_without_id(&again), Some(0x31));
    }

    /// What is remembered of other frames, and of what follows a frame, changes nothing.
    #[test]
    fn a_frame_by_itself_does_the_same_harm_as_one_of_many() {
        let mut chance = 0x0702_0002_u32;
        let mut next = |below: usize| {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (chance >> 8) as usize % below
        };
        // Half of the bytes are ids or short lengths, so that much is found.
        const OFTEN: [u8; 12] = [0, 4, 5, 8, 16, 0x10, 0x18, 0x20, 0x30, 0x31, 0x40, 0x50];
        let data: Vec<u8> =
            (0..3000).map(|_| if next(2) == 0 { OFTEN[next(12)] } else { next(256) as u8 }).collect();
        let mut search = Search::new(&data);
        let mut harmed = 0;
        for _ in 0..400 {
            let from = next(data.len() - 1);
            let len = 1 + next((data.len() - from).min(120));
            let alone = Search::new(&data[from..from + len]).harm(head(len), 0, len).is_some();
            assert_eq!(search.harm(head(len), from, len).is_some(), alone, "{len} bytes from {from}");
            harmed += usize::from(alone);
        }
        assert!((40..360).contains(&harmed), "{harmed} of 400 do harm");
    }
}
