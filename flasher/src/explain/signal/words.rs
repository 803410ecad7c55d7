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
        &["handshake", "shake hand", "shakehand", "hand shake", "握手", "sync attempt", "ハンドシェイク"],
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
            "program",
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

const HOST: [(HostTrouble, &[&str]); 6] = [
    (HostTrouble::NoLines, &["inappropriate ioctl", "errno 25", "enotty"]),
    (
        HostTrouble::NoPermission,
        &[
            "permission denied",
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
            "filenotfounderror",
            "could not open port",
            "port not found",
            "device not found",
            "cannot find the file",
            "找不到指定的文件",
            "serial port is not found",
        ],
    ),
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
        ],
    ),
    (HostTrouble::Program, &["modulenotfounderror", "traceback (most recent", "importerror"]),
];

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
    if let Some((trouble, _)) = HOST.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word))) {
        signals.push(Signal::Host(*trouble));
    }
    if lower.contains("too many values to unpack") {
        signals.push(Signal::UnpackTrouble);
    }
    if lower.contains("all success") || lower.contains("all successful") || lower.contains("program finished")
    {
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
    #[case("handshake retry", vec![])]
    #[case("erase pending", vec![])]
    fn steps(#[case] line: &str, #[case] expected: Vec<Signal>) {
        assert_eq!(read(line, &[]), expected);
    }
}
