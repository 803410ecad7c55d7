//! Events of the chip as they stand in a recording.

use serde_json::{Value, json};

use crate::event::{Event, SessionEnd, Stage};

/// Name and particulars of an event in a recording.
pub(super) fn describe(event: &Event) -> (&'static str, Value) {
    match event {
        Event::FlashInit => ("flash_init", Value::Null),
        Event::FlashErase { start, end } => ("flash_erase", json!({"start": start, "end": end})),
        Event::FlashWrite { address, length, .. } => {
            ("flash_write", json!({"address": address, "length": length}))
        }
        Event::EfuseProgram { offset, word } => ("efuse_program", json!({"offset": offset, "word": word})),
        Event::RegWrite { address, value } => ("reg_write", json!({"address": address, "value": value})),
        Event::CpuReset => ("cpu_reset", Value::Null),
        Event::SystemReset => ("system_reset", Value::Null),
        Event::Jump { address } => ("jump", json!({"address": address})),
        Event::BootFromFlash => ("boot_from_flash", Value::Null),
        Event::RomBoot2 => ("rom_boot2", Value::Null),
        Event::Pll { xtal_type, pll } => ("pll", json!({"xtal_type": xtal_type, "pll": pll})),
        Event::Fault => ("fault", Value::Null),
        Event::Stuck { reason } => ("stuck", json!({"reason": reason})),
        Event::Reset { boot_high } => ("reset", json!({"boot_high": boot_high})),
        Event::Handshake { stage, baud_bps } => {
            ("handshake", json!({"stage": name(*stage), "baud_bps": baud_bps}))
        }
        Event::Command { stage, id, payload, known, checksum_ok } => (
            "command",
            json!({
                "stage": name(*stage), "id": id, "payload_bytes": payload.len(), "known": known,
                "checksum_ok": checksum_ok,
            }),
        ),
        Event::Refused { stage, id, code } => {
            ("refused", json!({"stage": name(*stage), "id": id, "code": format!("{code:04X}")}))
        }
        Event::SkippedByte { byte } => ("skipped_byte", json!({"byte": byte})),
        Event::Reran { unknown_id, id } => ("reran", json!({"unknown_id": unknown_id, "id": id})),
        Event::SessionEnded { stage, why } => {
            ("session_ended", json!({"stage": name(*stage), "why": reason(*why)}))
        }
        Event::BytesLost { count, why } => ("bytes_lost", json!({"count": count, "why": why})),
        Event::FlashUnitErased { address, length } => {
            ("flash_unit_erased", json!({"address": address, "length": length}))
        }
        Event::FlashProgrammed { address, length } => {
            ("flash_programmed", json!({"address": address, "length": length}))
        }
        Event::FaultFired { name, seam, on } => {
            ("fault_fired", json!({"fault": name, "seam": seam, "on": on}))
        }
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Rom => "rom",
        Stage::Loader => "loader",
    }
}

fn reason(why: SessionEnd) -> &'static str {
    match why {
        SessionEnd::Idle => "idle",
        SessionEnd::ThreeErrors => "three errors",
    }
}
