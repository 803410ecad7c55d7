//! The chip's bytes: handshake answers, replies, and what nobody asked for.

use super::rom_parser::RomParser;
use super::{DecodedKind, Dissector, Side, describe};
use crate::boot_info::BootInfo;
use crate::code::Code;
use crate::frame::{FAIL, OK, PENDING, Reply};
use crate::time::Nanos;
use crate::trace::BytesRecord;

impl Dissector {
    pub(super) fn chip_bytes(&mut self, burst: &BytesRecord) {
        let mut rest = burst.bytes.as_slice();
        if self.handshake.is_some() && self.stray.is_empty() && rest.starts_with(&OK) {
            self.handshake_answered(burst.time_ns);
            self.ledger.handshake_answered(burst.time_ns, self.side, &OK);
            rest = &rest[OK.len()..];
        }
        while !rest.is_empty() {
            let before = (burst.bytes.len() - rest.len()) as u64;
            let at = burst.time_ns + Nanos::byte_times(before, burst.baud_bps);
            let Some(request) = self.pending.front_mut() else {
                self.ledger.stray(at, rest);
                self.stray.extend_from_slice(rest);
                self.sort_stray(burst.time_ns);
                return;
            };
            let (id, sent, exchange) = (request.id, request.sent, request.exchange);
            let word_at = *request.word_at.get_or_insert(at);
            match request.decoder.push(rest) {
                Ok((taken, reply)) => {
                    if reply.is_some() {
                        request.word_at = None;
                    }
                    let word = reply.as_ref().map(|reply| (word_at, reply));
                    self.ledger.answer(exchange, &rest[..taken], word);
                    rest = &rest[taken..];
                    if let Some(reply) = reply {
                        self.reply(burst.time_ns, id, sent, &reply);
                    }
                }
                Err(error) => {
                    let name = request.name;
                    self.ledger.answer(exchange, rest, None);
                    self.pending.pop_front();
                    let text =
                        format!("not an answer to {id:02x}h {name}: {error}; {}", describe::bytes(rest));
                    self.say(burst.time_ns, DecodedKind::Problem, text);
                    return;
                }
            }
        }
    }

    fn handshake_answered(&mut self, time: Nanos) {
        let Some((_, since)) = self.handshake.take() else { return };
        let after = time.since(since);
        let who = if self.image_started {
            self.side = Side::Loader;
            "RAM loader"
        } else {
            // Until a boot info tells; a RAM loader may have been running before the recording began.
            "boot ROM, or a RAM loader that was running before"
        };
        if self.side != Side::Loader {
            self.side = Side::Unknown;
        }
        self.pending.clear();
        self.end_session();
        self.in_session = true;
        self.say(time, DecodedKind::Chip, format!("OK to the handshake, {after} after its start: {who}"));
    }

    fn reply(&mut self, time: Nanos, id: u8, sent: Nanos, reply: &Reply) {
        let after = time.since(sent);
        match reply {
            Reply::Pending => {
                self.say(time, DecodedKind::Chip, format!("PD to {id:02x}h: at work, {after}"));
                return;
            }
            Reply::Ok => self.say(time, DecodedKind::Chip, format!("OK to {id:02x}h, {after}")),
            Reply::Refused(code) => {
                let text = describe::code(*code, &format!("to {id:02x}h, {after}"));
                self.say(time, DecodedKind::Problem, text);
            }
            Reply::Data(data) => {
                self.learn_side(id, data);
                let text = format!("OK to {id:02x}h, {after}: {}", describe::reply_data(id, data));
                self.say(time, DecodedKind::Chip, text);
            }
        }
        self.pending.pop_front();
        self.in_session = true;
        match (id, reply) {
            (_, Reply::Refused(_)) => self.count_loader_error(time, id),
            (0x1A, Reply::Ok) => self.start_image(),
            (0x21, Reply::Ok) => self.reset(),
            _ => {}
        }
    }

    /// The third refusal that counts is answered, and then the loader is gone.
    fn count_loader_error(&mut self, time: Nanos, id: u8) {
        let counts = self.side == Side::Loader && self.side.row(id).is_some_and(|row| row.errors_count);
        self.loader_errors += u8::from(counts);
        if self.loader_errors == 3 {
            self.say(time, DecodedKind::Note, "third error: the RAM loader has left the session");
            self.end_session();
        }
    }

    fn learn_side(&mut self, id: u8, data: &[u8]) {
        if id != 0x10 {
            return;
        }
        self.side = match BootInfo::parse(data) {
            Ok(BootInfo::Rom(_)) => Side::Rom,
            Ok(BootInfo::Loader(_)) => Side::Loader,
            Err(_) => return,
        };
        self.rom_parser = RomParser::default();
    }

    /// Decodes chip bytes that no request explains, as far as they are complete.
    fn sort_stray(&mut self, time: Nanos) {
        while let Some(word) = self.stray.first_chunk::<2>().copied() {
            let length = match word {
                OK | PENDING => 2,
                FAIL if self.stray.len() >= 4 => 4,
                FAIL => return,
                _ => return self.flush_stray(time),
            };
            let bytes: Vec<u8> = self.stray.drain(..length).collect();
            let because = self.cause_of_stray(&bytes);
            let text = match bytes.as_slice() {
                [_, _, low, high] => describe::code(Code::from_wire([*low, *high]), &because),
                word => format!("{} {because}", String::from_utf8_lossy(word)),
            };
            self.say(time, DecodedKind::Problem, text);
        }
    }

    fn cause_of_stray(&self, bytes: &[u8]) -> String {
        match (self.side, self.unknown_id) {
            (Side::Loader, _) if bytes.ends_with(&Code::FLASH_WRITE_ERROR.to_wire()) => {
                "because a write failed after its OK".to_owned()
            }
            (_, Some(id)) => format!("drawn by bytes inside the unknown {id:02x}h"),
            (_, None) => "that nobody asked for".to_owned(),
        }
    }

    /// Shows chip bytes that are no reply at all.
    pub(super) fn flush_stray(&mut self, time: Nanos) {
        let bytes = std::mem::take(&mut self.stray);
        if bytes.is_empty() {
            return;
        }
        if let Some(lines) = describe::text_lines(&bytes) {
            for line in lines {
                self.say(time, DecodedKind::Chip, format!("text: {line}"));
            }
            return;
        }
        self.say(time, DecodedKind::Problem, format!("bytes that are no reply: {}", describe::bytes(&bytes)));
    }
}
