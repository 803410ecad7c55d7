//! The frame seam: what becomes of whole commands and answers, and which byte on the line belongs to which.

use std::collections::VecDeque;

use bl702_protocol::code::Code;
use bl702_protocol::frame;
use bl702_protocol::time::Nanos;

use super::effect::FrameEffect;
use super::trigger::{Armed, FaultStatus, Occasion};
use super::when::{Direction, ReplyKind};
use crate::chip::Chip;
use crate::event::Stage;

/// What is done with a command that a stage has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is carried out.
    Execute,
    /// Nothing happens.
    Ignore,
    /// It is answered `FL` and this code.
    Refuse(Code),
    /// It is answered by these bytes.
    Answer(Vec<u8>),
}

/// A set of command ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdSet([u64; 4]);

impl IdSet {
    fn insert(&mut self, id: u8) {
        self.0[usize::from(id >> 6)] |= 1 << (id & 63);
    }

    /// Whether the id is in it.
    pub(crate) fn contains(&self, id: u8) -> bool {
        self.0[usize::from(id >> 6)] >> (id & 63) & 1 == 1
    }
}

/// An answer on its way: where it begins among all bytes that the chip has ever sent, and what it is.
#[derive(Clone, Copy, Debug)]
struct Mark {
    start: u64,
    length: u64,
    occasion: Occasion,
}

/// The frame faults of one module.
#[derive(Debug, Default)]
pub(crate) struct FrameFaults {
    armed: Vec<Armed<FrameEffect>>,
    /// Ids that the boot ROM does not have and a fault answers all the same: they are taken as whole frames.
    rom_ids: IdSet,
    /// The command at work.
    current: Occasion,
    /// Answers that have not wholly passed the line; kept only while `marks_answers`.
    marks: VecDeque<Mark>,
    marks_answers: bool,
    /// Answers and commands that power faults may count.
    news: Vec<Occasion>,
    tells: bool,
    handshakes: u64,
    session_start: u64,
}

impl FrameFaults {
    pub(super) fn arm(&mut self, fault: Armed<FrameEffect>) {
        if let (true, Some(id), None | Some(Stage::Rom)) =
            (fault.effect.acts_on_commands(), fault.when.command, fault.when.stage)
        {
            self.rom_ids.insert(id);
        }
        self.armed.push(fault);
    }

    /// From now on it is known which byte on the line belongs to which answer.
    pub(super) fn mark_answers(&mut self) {
        self.marks_answers = true;
    }

    /// From now on commands and answers are told to [`FrameFaults::take_news`].
    pub(super) fn tell(&mut self) {
        self.tells = true;
    }

    /// The command at work.
    pub(super) fn current(&self) -> Occasion {
        self.current
    }

    /// Commands taken and answers begun since the last call.
    pub(super) fn take_news(&mut self) -> Vec<Occasion> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Armed<FrameEffect>> {
        self.armed.iter_mut()
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = (usize, FaultStatus)> + '_ {
        self.armed.iter().map(|fault| fault.status("frame"))
    }

    /// Ids that the boot ROM is to take besides its own.
    pub(crate) fn rom_ids(&self) -> IdSet {
        self.rom_ids
    }

    /// What byte number `byte` of all that the chip has sent is part of.
    pub(super) fn answer_of(&self, byte: u64) -> Occasion {
        let holds = |mark: &&Mark| (mark.start..mark.start + mark.length).contains(&byte);
        match self.marks.iter().find(holds) {
            Some(mark) => Occasion { frame_byte: Some(byte - mark.start), ..mark.occasion },
            None => Occasion::default(),
        }
    }

    /// Bytes before this one have passed the line.
    pub(super) fn forget_before(&mut self, byte: u64) {
        while self.marks.pop_front_if(|mark| mark.start + mark.length <= byte).is_some() {}
    }

    /// How many handshakes were answered.
    pub(super) fn handshakes(&self) -> u64 {
        self.handshakes
    }

    /// How many bytes the chip had sent when the session began.
    pub(super) fn session_start(&self) -> u64 {
        self.session_start
    }

    fn take_command(&mut self, occasion: Occasion) -> Verdict {
        self.current = occasion;
        if self.tells {
            self.news.push(occasion);
        }
        let mut verdict = Verdict::Execute;
        for fault in self.armed.iter_mut().filter(|fault| fault.effect.acts_on_commands()) {
            if !fault.admits(&occasion) {
                continue;
            }
            verdict = match &fault.effect {
                FrameEffect::Refuse { code } => Verdict::Refuse(Code(*code)),
                FrameEffect::Answer { bytes } => Verdict::Answer(bytes.0.clone()),
                _ => Verdict::Ignore,
            };
            fault.fire(occasion.at, || command_in_words(&occasion));
        }
        verdict
    }

    /// What becomes of an answer: when it begins, what it is, how often it comes.
    fn change_answer(&mut self, occasion: &Occasion, bytes: &[u8]) -> Changed {
        let mut changed = Changed { delay: Nanos::ZERO, bytes: None, times: 1 };
        for fault in self.armed.iter_mut().filter(|fault| !fault.effect.acts_on_commands()) {
            if !fault.admits(occasion) {
                continue;
            }
            match &fault.effect {
                FrameEffect::DelayReply { us } => changed.delay += Nanos::from_micros(*us),
                FrameEffect::RepeatReply { times } => changed.times += usize::from(*times),
                FrameEffect::ReplaceReply { bytes } => changed.bytes = Some(bytes.0.clone()),
                _ => changed.bytes = Some(Vec::new()),
            }
            fault.fire(occasion.at, || answer_in_words(occasion, bytes));
        }
        changed
    }

    fn mark(&mut self, start: u64, length: usize, occasion: Occasion) {
        // What a reset has cut off was never sent.
        while self.marks.back().is_some_and(|mark| mark.start >= start) {
            self.marks.pop_back();
        }
        self.marks.push_back(Mark { start, length: length as u64, occasion });
    }
}

struct Changed {
    delay: Nanos,
    bytes: Option<Vec<u8>>,
    times: usize,
}

impl Chip {
    /// A stage has taken a whole command: whether it is carried out.
    pub(crate) fn judge(&mut self, at: Nanos, stage: Stage, id: u8, payload: &[u8]) -> Verdict {
        self.flash.set_user(stage, id);
        let Some(frames) = &mut self.frames else { return Verdict::Execute };
        let occasion = Occasion {
            at,
            stage: Some(stage),
            command: Some(id),
            direction: Some(Direction::ToModule),
            address: addresses(stage, id, payload),
            ..Occasion::default()
        };
        frames.take_command(occasion)
    }

    /// The `OK` to auto-baud.
    pub(crate) fn send_handshake(&mut self, at: Nanos, stage: Stage, baud_bps: u32) -> Nanos {
        if let Some(frames) = &mut self.frames {
            frames.current = Occasion { stage: Some(stage), ..Occasion::default() };
        }
        let end = self.send_as(at, baud_bps, &frame::OK, ReplyKind::Handshake);
        if let Some(frames) = &mut self.frames {
            frames.handshakes += 1;
            frames.session_start = self.tx.sent_bytes();
        }
        end
    }

    /// Sends an answer, or what faults make of it; gives the time when the last stop bit ends.
    pub(crate) fn send(&mut self, at: Nanos, baud_bps: u32, bytes: &[u8]) -> Nanos {
        let kind = match bytes {
            [b'P', b'D', ..] => ReplyKind::Pending,
            [b'F', b'L', ..] => ReplyKind::Refusal,
            [_, _] => ReplyKind::Ok,
            _ => ReplyKind::Data,
        };
        self.send_as(at, baud_bps, bytes, kind)
    }

    fn send_as(&mut self, at: Nanos, baud_bps: u32, bytes: &[u8], kind: ReplyKind) -> Nanos {
        let Some(frames) = &mut self.frames else { return self.tx.push(at, baud_bps, bytes) };
        let direction = Some(Direction::ToHost);
        let occasion = Occasion { at, reply: Some(kind), direction, ..frames.current };
        if frames.tells {
            frames.news.push(occasion);
        }
        let changed = frames.change_answer(&occasion, bytes);
        let at = at + changed.delay;
        let sent = changed.bytes.as_deref().unwrap_or(bytes);
        if sent.is_empty() {
            // The chip has sent it all the same: its transmitter is busy for as long.
            return self.tx.keep_quiet(at, baud_bps, bytes.len());
        }
        let mut end = at;
        for _ in 0..changed.times {
            if frames.marks_answers {
                frames.mark(self.tx.sent_bytes(), sent.len(), occasion);
            }
            end = self.tx.push(at, baud_bps, sent);
        }
        end
    }
}

/// The addresses that a command touches: the first word of its payload on, for as many bytes as the second word or the
/// data behind it say.
pub(super) fn addresses(stage: Stage, id: u8, payload: &[u8]) -> Option<(u64, u64)> {
    let (address, rest) = payload.split_first_chunk::<4>()?;
    let first = u64::from(u32::from_le_bytes(*address));
    let second = rest.first_chunk::<4>().map(|word| u64::from(u32::from_le_bytes(*word)));
    let to = match (stage, id) {
        // 30h: the last address, included.
        (_, 0x30) => second? + 1,
        // Reads and hashes: a length.
        (_, 0x32 | 0x34 | 0x3d | 0x3e | 0x41 | 0x51 | 0x81) => first + second?.max(1),
        // Writes: data.
        (_, 0x31 | 0x40 | 0x80) | (Stage::Loader, 0x50) => first + rest.len().max(1) as u64,
        (Stage::Rom, 0x50) => first + 4,
        _ => return None,
    };
    Some((first, to))
}

/// A command in a report.
pub(super) fn command_in_words(occasion: &Occasion) -> String {
    let who = stage_in_words(occasion.stage);
    match (occasion.command, occasion.address) {
        (Some(id), Some((from, to))) => format!("{id:02x}h in the {who}, {from:#x}..{to:#x}"),
        (Some(id), None) => format!("{id:02x}h in the {who}"),
        (None, _) => format!("the {who}"),
    }
}

fn answer_in_words(occasion: &Occasion, bytes: &[u8]) -> String {
    let head: String = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > 4 { "..." } else { "" };
    match occasion.reply {
        Some(ReplyKind::Handshake) => format!("the handshake's OK of the {}", stage_in_words(occasion.stage)),
        _ => format!("the answer {head}{more} to {}", command_in_words(occasion)),
    }
}

fn stage_in_words(stage: Option<Stage>) -> &'static str {
    match stage {
        Some(Stage::Rom) => "boot ROM",
        Some(Stage::Loader) => "RAM loader",
        None => "module",
    }
}
