//! Steps that failed or were done, by the words of a line: terms of the field, and words for failure and success in
//! the languages in which logs are pasted.

use super::{HostTrouble, Signal, Step};

/// Words of failure. Only beginnings, as they are declined.
const FAILURE: [&str; 44] = [
    "fail",
    "error",
    "err:",
    "timeout",
    "timed out",
    "time out",
    "no response",
    "not respond",
    "couldn't",
    "could not",
    "can't",
    "cannot",
    "unable",
    "unsuccess",
    "mismatch",
    "invalid",
    "incorrect",
    "refused",
    "no answer",
    "失败",
    "错误",
    "超时",
    "无响应",
    "失敗",
    "エラー",
    "실패",
    "오류",
    "fehl",
    "zeitüber",
    "échec",
    "echec",
    "échou",
    "erreur",
    "fallo",
    "fallid",
    "falha",
    "erro ",
    "errore",
    "fallit",
    "ошибк",
    "неуда",
    "сбой",
    "błąd",
    "nie powiod",
];

/// Words of success.
const SUCCESS: [&str; 19] = [
    "success",
    "succeed",
    "成功",
    "完成",
    "erfolg",
    "réussi",
    "exito",
    "éxito",
    "sucesso",
    "успе",
    "powodzenie",
    "riuscit",
    "성공",
    "finished",
    " done",
    "...ok",
    "... ok",
    " ok!",
    " ok",
];

/// Words of a step; the first line of the table that fits counts, so what is more special stands first.
const STEPS: [(Step, &[&str]); 12] = [
    (Step::Clock, &["clock pll", "pll", "clock para", "set clock", "clk_set", "clock set", "时钟"]),
    (Step::Jedec, &["jedec", "flash id", "flashid", "flash_id", "flash identify"]),
    (Step::FlashPara, &["set para", "flash para", "set config", "flash config", "set flash"]),
    (
        Step::Handshake,
        &[
            "handshake",
            "shake hand",
            "shakehand",
            "hand shake",
            "握手",
            "sync attempt",
            "connection succeed",
            "ハンドシェイク",
        ],
    ),
    (Step::BootInfo, &["boot info", "bootinfo", "initial get info", "chip info"]),
    (Step::Efuse, &["efuse", "mac addr"]),
    (
        Step::Load,
        &[
            "eflash_loader",
            "eflash loader",
            "load helper",
            "helper bin",
            "load image",
            "image load",
            "img load",
            "run image",
            "check image",
            "set chip ready",
            "ram app",
            "img run",
            "load boot header",
            "load segment",
        ],
    ),
    (Step::Verify, &["verif", "sha256", "sha mismatch", "compare", "校验"]),
    (Step::Erase, &["erase", "erasing", "擦除", "lösch", "стира", "effac", "borrar", "borrado"]),
    (Step::Read, &["flash read", "read flash", "reading flash", "read failed", "读取"]),
    (
        Step::Write,
        &[
            "write",
            "writing",
            // Not the noun, as in "another program uses the port".
            "programm",
            "program fail",
            "program error",
            "program ok",
            "flash program",
            "program flash",
            "flash load",
            "load flash",
            "burn",
            "烧写",
            "烧录",
            "写入",
            "schreib",
            "запис",
            "écri",
            "escrib",
        ],
    ),
    (
        Step::Port,
        &[
            "open serial",
            "open port",
            "open com",
            "com port",
            "serial port",
            "open device",
            "串口",
            "open /dev",
        ],
    ),
];

/// Words of what the computer refuses; the first line of the table that fits counts.
const HOST: [(HostTrouble, &[&str]); 7] = [
    (
        HostTrouble::Vanished,
        &[
            "device disconnected",
            "errno 5]",
            "input/output error",
            "device reports readiness to read but returned no data",
            "device not configured",
            "has been removed",
            "a device which does not exist",
            "handle is invalid",
            // What a port that has gone says on Windows, whatever error stands behind it.
            "clearcommerror failed",
            "writefile failed",
            "readfile failed",
            "getoverlappedresult failed",
            "is not functioning",
            "does not recognize the command",
            "the port is closed",
        ],
    ),
    (HostTrouble::NoLines, &["inappropriate ioctl", "errno 25", "enotty"]),
    (
        HostTrouble::NoPermission,
        &[
            "permission denied",
            "access to the port",
            "errno 13",
            "permissionerror",
            "access is denied",
            "access denied",
            "拒绝访问",
            "zugriff verweigert",
        ],
    ),
    (
        HostTrouble::Busy,
        &["resource busy", "errno 16", "ebusy", "in use by", "being used by", "exclusively lock"],
    ),
    (
        HostTrouble::NoPort,
        &[
            "no such file or directory: '/dev",
            "could not open port",
            "port not found",
            "device not found",
            "cannot find the file",
            "找不到指定的文件",
            "serial port is not found",
        ],
    ),
    (HostTrouble::NoFile, &["filenotfounderror", "no such file or directory"]),
    (HostTrouble::Program, &["modulenotfounderror", "traceback (most recent", "importerror"]),
];

/// What tools say when the whole run has gone well: the vendor's, blisp, EasyFlasher.
const ALL_DONE: [&str; 4] = ["all success", "program finished", "flash complete", "done flash write"];

/// What firmware prints when it starts: the stock one's log and those of the vendor's SDKs.
const FIRMWARE: [&str; 6] = [
    "starting bl702 now",
    "booting bl702 chip",
    "risc-v core feature",
    "blog init set power",
    "pttable_config",
    "as a firmware prints it",
];

/// Shorter text may be chance.
const LEAST_TEXT_BYTES: usize = 10;

/// Whether a line is a firmware's, or shows in hexadecimal digits that text came instead of an answer.
fn is_of_firmware(lower: &str) -> bool {
    if FIRMWARE.iter().any(|words| lower.contains(words)) {
        return true;
    }
    let Some((_, answer)) = lower.split_once("ack is ") else { return false };
    let digits = answer.trim().trim_start_matches("b'").trim_end_matches('\'');
    let bytes: Option<Vec<u8>> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    bytes.is_some_and(|bytes| {
        bytes.len() >= LEAST_TEXT_BYTES
            && bytes.iter().any(u8::is_ascii_lowercase)
            && bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x1b))
            && bytes.iter().any(|byte| *byte != b'U')
    })
}

/// What the computer refuses, if it is that.
fn host_trouble(lower: &str) -> Option<HostTrouble> {
    let (trouble, _) = HOST.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word)))?;
    // Windows has no rights on ports: it refuses one that another program holds.
    if *trouble == HostTrouble::NoPermission && (lower.contains("'com") || lower.contains("\\.\\com")) {
        return Some(HostTrouble::Busy);
    }
    Some(*trouble)
}

/// Whether a line, in lower case, tells of a failure.
pub(super) fn tells_of_failure(lower: &str) -> bool {
    FAILURE.iter().any(|word| lower.contains(word))
}

/// What a line says of steps. `found` is what was read from it already.
pub(super) fn read(line: &str, found: &[Signal]) -> Vec<Signal> {
    let lower = line.to_lowercase();
    let mut signals = Vec::new();
    // Says that all tries failed, not what of.
    if lower.contains("burn return") || lower.contains("burn retry") {
        return signals;
    }
    if is_of_firmware(&lower) {
        signals.push(Signal::Firmware);
        return signals;
    }
    if let Some(trouble) = host_trouble(&lower) {
        signals.push(Signal::Host(trouble));
        // "WriteFile failed" is no write of flash.
        if !matches!(trouble, HostTrouble::NoLines | HostTrouble::Program) {
            return signals;
        }
    }
    if lower.contains("too many values to unpack") {
        signals.push(Signal::UnpackTrouble);
    }
    if ALL_DONE.iter().any(|words| lower.contains(words)) {
        signals.push(Signal::Done(Step::All));
        return signals;
    }
    let step =
        STEPS.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word))).map(|(step, _)| *step);
    let failed = tells_of_failure(&lower) || by_command_byte(&lower).is_some();
    let step = by_command_byte(&lower).or(step);
    // A code of the vendor's tools says more than the words beside it, but these are the same wherever it is missing.
    let coded = found.iter().any(|signal| matches!(signal, Signal::Code(_)));
    match step {
        Some(step) if failed && !coded => signals.push(Signal::Failed(step)),
        Some(step) if !failed && tells_of_success(&lower) => signals.push(Signal::Done(step)),
        _ => {}
    }
    signals
}

fn tells_of_success(lower: &str) -> bool {
    SUCCESS.iter().any(|word| lower.contains(word))
}

/// `Command 0x31 failed!`, as EasyFlasher says it.
fn by_command_byte(lower: &str) -> Option<Step> {
    let rest = &lower[lower.find("command 0x")? + "command 0x".len()..];
    if !tells_of_failure(lower) {
        return None;
    }
    Some(match rest.get(..2)? {
        "10" => Step::BootInfo,
        "11" | "17" | "18" | "19" | "1a" => Step::Load,
        "22" => Step::Clock,
        "3b" => Step::FlashPara,
        "36" => Step::Jedec,
        "30" | "3c" => Step::Erase,
        "31" | "3a" => Step::Write,
        "32" | "34" => Step::Read,
        "3d" | "3e" => Step::Verify,
        "40" | "41" | "42" => Step::Efuse,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("clock PLL set fail", vec![Signal::Failed(Step::Clock)])]
    #[case("[12:01:01] PLL-Takt setzen fehlgeschlagen", vec![Signal::Failed(Step::Clock)])]
    #[case("读取 JEDEC ID 失败", vec![Signal::Failed(Step::Jedec)])]
    #[case("shake hand success", vec![Signal::Done(Step::Handshake)])]
    #[case("========  [step.1] shake hand fail", vec![Signal::Failed(Step::Handshake)])]
    #[case("握手失败", vec![Signal::Failed(Step::Handshake)])]
    #[case("Handshake with eflash_loader successful.", vec![Signal::Done(Step::Handshake)])]
    #[case("Command 0x31 failed!", vec![Signal::Failed(Step::Write)])]
    #[case("SHA mismatch!", vec![Signal::Failed(Step::Verify)])]
    #[case("error: [Errno 25] Inappropriate ioctl for device", vec![Signal::Host(HostTrouble::NoLines)])]
    #[case("[All Success]", vec![Signal::Done(Step::All)])]
    #[case("Failed to load segment data. (ret -4)", vec![Signal::Failed(Step::Load)])]
    #[case("perhaps another program has the port; no answer yet", vec![])]
    #[case("Flash complete!", vec![Signal::Done(Step::All)])]
    #[case("ClearCommError failed (PermissionError(13, 'The device does not recognize the command.', None, 22))", vec![Signal::Host(HostTrouble::Vanished)])]
    #[case("WriteFile failed (PermissionError(13, 'Access is denied.', None, 5))", vec![Signal::Host(HostTrouble::Vanished)])]
    #[case("could not open port 'COM6': PermissionError(13, 'Access is denied.', None, 5)", vec![Signal::Host(HostTrouble::Busy)])]
    #[case("System.UnauthorizedAccessException: Access to the port 'COM3' is denied.", vec![Signal::Host(HostTrouble::Busy)])]
    #[case("could not open port /dev/ttyUSB0: [Errno 13] Permission denied", vec![Signal::Host(HostTrouble::NoPermission)])]
    #[case("could not open port 'COM6': FileNotFoundError(2, 'The system cannot find the file specified.', None, 2)", vec![Signal::Host(HostTrouble::NoPort)])]
    #[case("FileNotFoundError: [Errno 2] No such file or directory: 'firmware.bin'", vec![Signal::Host(HostTrouble::NoFile)])]
    #[case("ack is 5374617274696e6720626c373032206e6f77", vec![Signal::Firmware])]
    #[case("ack is 4f4b", vec![])]
    #[case("ack is 55555555555555555555555555", vec![])]
    #[case("handshake retry", vec![])]
    #[case("erase pending", vec![])]
    fn steps(#[case] line: &str, #[case] expected: Vec<Signal>) {
        assert_eq!(read(line, &[]), expected);
    }
}
