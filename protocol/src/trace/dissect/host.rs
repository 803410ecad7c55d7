//! The host's bytes: handshakes and frames.

use super::rom_parser::RomFinds;
use super::{DecodedKind, Dissector, GIVEN_UP, Pending, Requested, Side, describe};
use crate::command::{LoaderCommand, RomCommand, foreign_command};
use crate::frame::{
    HANDSHAKE_BYTE, LOADER_MAX_PAYLOAD, ROM_MAX_PAYLOAD, ReplyDecoder, ReplyShape, RequestHeader,
};
use crate::time::Nanos;
use crate::trace::BytesRecord;

impl Dissector {
    pub(super) fn host_bytes(&mut self, burst: &BytesRecord) {
        self.give_up_on_the_unanswered(burst.time_ns);
        let mut rest = burst.bytes.as_slice();
        self.ledger.baud_bps = burst.baud_bps;
        while !rest.is_empty() {
            if self.host.is_empty() {
                let before = burst.bytes.len() - rest.len();
                self.ledger.start = burst.time_ns + Nanos::byte_times(before as u64, burst.baud_bps);
                self.ledger.start_offset = self.ledger.host_bytes;
                let count = rest.iter().take_while(|byte| **byte == HANDSHAKE_BYTE).count();
                if count > 0 {
                    self.takes(burst, rest.len() - count, count);
                    self.handshake_bytes(burst, count);
                    // A ROM that is inside a frame takes these, too, for its payload.
                    self.rom_sees(&rest[..count]);
                    rest = &rest[count..];
                    continue;
                }
                self.host_start = burst.time_ns;
            }
            let taken = self.missing_of_frame().min(rest.len());
            self.rom_sees(&rest[..taken]);
            self.host.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            self.takes(burst, rest.len(), taken);
            if self.missing_of_frame() == 0 {
                self.frame();
            } else if self.host.len() == RequestHeader::LEN && self.frame_is_too_long() {
                // No side takes such a frame, so where the next one begins cannot be told: give up on this burst.
                return;
            }
        }
    }

    /// Notes that `count` bytes were taken from a burst, of which `left` remain.
    fn takes(&mut self, burst: &BytesRecord, left: usize, count: usize) {
        self.ledger.host_bytes += count as u64;
        let taken = (burst.bytes.len() - left) as u64;
        self.ledger.end = burst.time_ns + Nanos::byte_times(taken, burst.baud_bps);
    }

    fn rom_sees(&mut self, bytes: &[u8]) {
        self.found.extend(bytes.iter().filter_map(|byte| self.rom_parser.push(*byte)));
    }

    fn give_up_on_the_unanswered(&mut self, now: Nanos) {
        if now.since(self.quiet_since) <= GIVEN_UP {
            return;
        }
        for request in std::mem::take(&mut self.pending) {
            let when =
                if request.decoder.is_partial() { "that was whole" } else { "before the host went on" };
            self.unanswered(now, &request, when);
        }
    }

    fn handshake_bytes(&mut self, burst: &BytesRecord, count: usize) {
        if self.handshake.is_none() {
            let length = Nanos::byte_times(count as u64, burst.baud_bps);
            let text = format!("handshake: {count} x 55h at {} baud, {length}", burst.baud_bps);
            self.say(burst.time_ns, DecodedKind::Host, text);
            self.ledger.open(self.side, Requested::Handshake { bytes: count }, true);
        } else {
            self.ledger.more_handshake(count);
        }
        let (before, since) = self.handshake.unwrap_or((0, burst.time_ns));
        self.handshake = Some((before + count, since));
    }

    /// Bytes that the frame in progress lacks, as far as it is known.
    fn missing_of_frame(&self) -> usize {
        match self.host.first_chunk() {
            None => RequestHeader::LEN - self.host.len(),
            Some(header) => {
                let length = usize::from(RequestHeader::parse(*header).length);
                RequestHeader::LEN + length - self.host.len()
            }
        }
    }

    /// Says so, and drops the frame, if its length field is beyond what the side takes.
    fn frame_is_too_long(&mut self) -> bool {
        let Some(header) = self.host.first_chunk().map(|bytes| RequestHeader::parse(*bytes)) else {
            return false;
        };
        let (limit, result) = match self.side {
            Side::Loader => (LOADER_MAX_PAYLOAD, "this frame never completes and costs the session"),
            Side::Rom => (ROM_MAX_PAYLOAD, "the boot ROM answers FL0102"),
            Side::Unknown => (LOADER_MAX_PAYLOAD, "neither side takes it"),
        };
        if usize::from(header.length) <= limit {
            return false;
        }
        let text = format!("{:02x}h with length {}: at most {limit}, {result}", header.id, header.length);
        self.say(self.host_start, DecodedKind::Problem, text);
        self.host.clear();
        if self.side == Side::Rom && RomCommand::from_id(header.id).is_some_and(RomCommand::is_enabled) {
            self.expect(header.id, "over-long frame", &[], ReplyShape::Status);
        }
        true
    }

    /// A whole frame is in `self.host`.
    fn frame(&mut self) {
        let frame = std::mem::take(&mut self.host);
        let found = std::mem::take(&mut self.found);
        let (Some(header), payload) =
            (frame.first_chunk(), frame.get(RequestHeader::LEN..).unwrap_or_default())
        else {
            return;
        };
        let header = RequestHeader::parse(*header);
        if let Some((count, _)) = self.handshake.take() {
            let text = format!("a frame right after {count} x 55h that were not answered");
            self.say(self.host_start, DecodedKind::Problem, text);
        }
        let time = self.host_start;
        match self.side.row(header.id) {
            Some(row) => {
                let details = describe::request(header.id, row, payload);
                let kind = if row.burns_fuses { DecodedKind::Problem } else { DecodedKind::Host };
                self.say(time, kind, format!("{:02x}h {}{details}", header.id, row.name));
                if !row.length.accepts(payload.len()) {
                    let text = format!(
                        "{:02x}h wants {}, got {}",
                        header.id,
                        row.payload,
                        describe::count(payload.len())
                    );
                    self.say(time, DecodedKind::Problem, text);
                }
            }
            None => self.unknown_frame(header, payload),
        }
        let due_before = self.pending.len();
        let asked = self.side;
        match self.side {
            Side::Loader => self.expect_from_loader(header, payload),
            Side::Rom | Side::Unknown => self.expect_from_rom(header, payload, &found),
        }
        if self.pending.len() == due_before {
            let name = asked.row(header.id).map_or("unknown command", |row| row.name);
            self.ledger.command(asked, header.id, name, payload, false);
        }
    }

    fn unknown_frame(&mut self, header: RequestHeader, payload: &[u8]) {
        let id = header.id;
        let elsewhere = match (foreign_command(id), self.side) {
            (Some(meaning), _) => format!("; elsewhere: {meaning}"),
            (None, Side::Rom) if LoaderCommand::from_id(id).is_some() => {
                "; a command of the RAM loader".to_owned()
            }
            (None, Side::Loader) if RomCommand::from_id(id).is_some() => {
                "; a command of the boot ROM".to_owned()
            }
            (None, _) => String::new(),
        };
        let side = self.side.text();
        let data = describe::bytes(payload);
        let text =
            format!("{id:02x}h is unknown to the {side} and gets no answer{elsewhere}; payload {data}");
        self.say(self.host_start, DecodedKind::Problem, text);
        self.unknown_id = Some(id);
    }

    fn expect_from_loader(&mut self, header: RequestHeader, payload: &[u8]) {
        let known = LoaderCommand::from_id(header.id);
        if !header.checksum_accepts(payload) {
            let sum = crate::frame::checksum(header.length, payload);
            let text = format!(
                "checksum of {:02x}h is {:02x}h, should be {sum:02x}h or 0",
                header.id, header.checksum
            );
            self.say(self.host_start, DecodedKind::Problem, text);
            let name = known.map_or("unknown command", LoaderCommand::name);
            self.expect(header.id, name, payload, ReplyShape::Status);
        } else if let Some(command) = known {
            self.expect(header.id, command.name(), payload, command.reply_shape(payload));
        }
    }

    /// Replies come for what the ROM found, which is not always what the host sent.
    fn expect_from_rom(&mut self, header: RequestHeader, payload: &[u8], found: &[RomFinds]) {
        let as_sent = |finds: &RomFinds| match finds {
            RomFinds::Command { command, payload: got } => command.id() == header.id && got == payload,
            RomFinds::TooLong { .. } => false,
        };
        if self.side == Side::Unknown && !found.iter().any(as_sent) {
            // Not known to be the ROM, so its view explains nothing.
            if let Some(row) = self.side.row(header.id) {
                self.expect(header.id, row.name, payload, row.reply_shape(payload));
            }
            return;
        }
        if !matches!(found, [only] if as_sent(only)) {
            self.explain_view_of_rom(found);
        }
        for finds in found {
            match finds {
                RomFinds::Command { command, payload } => self.expect_command(*command, payload),
                RomFinds::TooLong { command, .. } => {
                    self.expect(command.id(), "over-long frame", &[], ReplyShape::Status);
                }
            }
        }
    }

    fn expect_command(&mut self, command: RomCommand, payload: &[u8]) {
        let silent = match command {
            // Wrong lengths of these two get no answer; a CPU reset happens inside the store.
            RomCommand::ChangeRate => payload.len() != 8,
            RomCommand::FlashBoot => payload.len() != 4,
            RomCommand::MemoryWrite => describe::resets_cpu(payload),
            _ => false,
        };
        if command == RomCommand::MemoryWrite && silent {
            self.say(
                self.host_start,
                DecodedKind::Note,
                "CPU reset: a RAM image starts, no answer to this frame",
            );
            self.start_image();
        } else if !silent {
            self.expect(command.id(), command.name(), payload, command.reply_shape(payload));
        }
    }

    /// What the ROM takes the bytes of a frame for, if that is not what the host meant.
    fn explain_view_of_rom(&mut self, found: &[RomFinds]) {
        let mut words: Vec<String> = found
            .iter()
            .map(|finds| match finds {
                RomFinds::Command { command, payload } => {
                    let length = describe::count(payload.len());
                    format!("{:02x}h {} with {length}", command.id(), command.name())
                }
                RomFinds::TooLong { command, length } => {
                    format!("{:02x}h with length {length}, which is too long", command.id())
                }
            })
            .collect();
        if let Some((command, length)) = self.rom_parser.in_progress() {
            let missing = self.rom_parser.missing();
            let name = command.name();
            let length = describe::count(usize::from(length));
            words.push(format!("{:02x}h {name} with {length}, {missing} still to come", command.id()));
        } else if !self.rom_parser.is_idle() {
            words.push("the start of a frame".to_owned());
        }
        if !words.is_empty() {
            let text = format!("the boot ROM takes these bytes for: {}", words.join("; "));
            self.say(self.host_start, DecodedKind::Problem, text);
        }
    }

    fn expect(&mut self, id: u8, name: &'static str, payload: &[u8], shape: ReplyShape) {
        let exchange = self.ledger.command(self.side, id, name, payload, true);
        self.pending.push_back(Pending {
            sent: self.host_start,
            id,
            name,
            decoder: ReplyDecoder::new(shape),
            word_at: None,
            exchange,
        });
    }

    /// A RAM image was started: the next handshake reaches it.
    pub(super) fn start_image(&mut self) {
        self.image_started = true;
        self.side = Side::Unknown;
        self.end_session();
    }
}
