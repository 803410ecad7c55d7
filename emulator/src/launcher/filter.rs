//! The filter that the kernel runs on each system call of the client: everything goes on untouched but a handful of
//! ioctls, on whatever descriptor, which are handed to the launcher.
//!
//! The kernel remembers which system calls a filter always allows and does not run it for them; for an ioctl it costs
//! a dozen comparisons.

use super::request::NOTIFIED;

/// One instruction in the form that the kernel takes: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) k: u32,
}

/// A way of making system calls: the kernel's name for it and the number that ioctl has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallingConvention {
    /// `AUDIT_ARCH_*` of `linux/audit.h`.
    pub(super) arch: u32,
    pub(super) ioctl: u32,
    /// Pointers and longs have 64 bits.
    pub(super) is_64_bit: bool,
}

/// What the processors that we run on can call: their own way first, then that of 32-bit programs.
pub(super) const CONVENTIONS: &[CallingConvention] = if cfg!(target_arch = "x86_64") {
    &[
        CallingConvention { arch: 0xc000_003e, ioctl: 16, is_64_bit: true },
        CallingConvention { arch: 0x4000_0003, ioctl: 54, is_64_bit: false },
    ]
} else if cfg!(target_arch = "aarch64") {
    &[
        CallingConvention { arch: 0xc000_00b7, ioctl: 29, is_64_bit: true },
        CallingConvention { arch: 0x4000_0028, ioctl: 54, is_64_bit: false },
    ]
} else {
    &[]
};

// Offsets in `struct seccomp_data`; both processors are little-endian, so the low half of an argument comes first.
const NR: u32 = 0;
const ARCH: u32 = 4;
const REQUEST_LOW: u32 = 24;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// A place that a jump can lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Next,
    Convention(usize),
    Request,
    Allow,
    Notify,
}

enum Step {
    Here(Place),
    Load(u32),
    IfEqual(u32, Place, Place),
    Return(u32),
}

/// The filter for this processor.
pub(super) fn program() -> Vec<Instruction> {
    let mut steps = vec![Step::Load(ARCH)];
    for (index, convention) in CONVENTIONS.iter().enumerate() {
        let other = if index + 1 < CONVENTIONS.len() { Place::Convention(index + 1) } else { Place::Allow };
        steps.push(Step::Here(Place::Convention(index)));
        steps.push(Step::IfEqual(convention.arch, Place::Next, other));
        steps.push(Step::Load(NR));
        steps.push(Step::IfEqual(convention.ioctl, Place::Request, Place::Allow));
    }
    steps.push(Step::Here(Place::Request));
    steps.push(Step::Load(REQUEST_LOW));
    for request in NOTIFIED {
        steps.push(Step::IfEqual(*request, Place::Notify, Place::Next));
    }
    steps.push(Step::Here(Place::Allow));
    steps.push(Step::Return(libc::SECCOMP_RET_ALLOW));
    steps.push(Step::Here(Place::Notify));
    steps.push(Step::Return(libc::SECCOMP_RET_USER_NOTIF));
    assemble(&steps)
}

fn assemble(steps: &[Step]) -> Vec<Instruction> {
    let mut places = Vec::new();
    let mut length = 0_usize;
    for step in steps {
        match step {
            Step::Here(place) => places.push((*place, length)),
            _ => length += 1,
        }
    }
    let mut instructions = Vec::with_capacity(length);
    for step in steps {
        let here = instructions.len() + 1;
        let distance = |place: &Place| {
            let target = places.iter().find(|(known, _)| known == place).map_or(here, |(_, index)| *index);
            target.saturating_sub(here) as u8
        };
        let (code, jump_true, jump_false, k) = match step {
            Step::Here(_) => continue,
            Step::Load(offset) => (LOAD, 0, 0, *offset),
            Step::IfEqual(value, yes, no) => (JUMP_IF_EQUAL, distance(yes), distance(no), *value),
            Step::Return(value) => (RETURN, 0, 0, *value),
        };
        instructions.push(Instruction { code, jump_true, jump_false, k });
    }
    instructions
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What the kernel makes of the program, from the three instructions it uses.
    fn verdict(nr: u32, arch: u32, arguments: [u64; 3]) -> u32 {
        let mut data = [0_u8; 64];
        data[0..4].copy_from_slice(&nr.to_le_bytes());
        data[4..8].copy_from_slice(&arch.to_le_bytes());
        for (index, argument) in arguments.iter().enumerate() {
            data[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_le_bytes());
        }
        let program = program();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let k = instruction.k as usize;
            match instruction.code {
                LOAD => accumulator = u32::from_le_bytes(data[k..k + 4].try_into().unwrap()),
                JUMP_IF_EQUAL if accumulator == instruction.k => at += usize::from(instruction.jump_true),
                JUMP_IF_EQUAL => at += usize::from(instruction.jump_false),
                RETURN => return instruction.k,
                other => panic!("{other:x}"),
            }
        }
    }

    #[rstest]
    #[case::tiocmget(0x5415, 1, true)]
    #[case::tiocmbis(0x5416, 1, true)]
    #[case::tiocmbic(0x5417, 1, true)]
    #[case::tiocmset(0x5418, 1, true)]
    #[case::tiocgserial(0x541e, 1, true)]
    #[case::tiocsserial(0x541f, 1, true)]
    #[case::tiocmiwait(0x545c, 1, true)]
    #[case::tiocgicount(0x545d, 1, true)]
    #[case::tiocsbrk(0x5427, 0, true)]
    #[case::tioccbrk(0x5428, 0, true)]
    #[case::tcsbrkp(0x5425, 3, true)]
    #[case::tcsendbreak(0x5409, 0, true)]
    #[case::tcdrain(0x5409, 1, true)]
    #[case::tcsetattr_now(0x5402, 1, true)]
    #[case::tcsetattr_drain(0x5403, 1, true)]
    #[case::tcsetattr_flush(0x5404, 1, true)]
    #[case::tcsetattr_flush_any_rate(0x402c_542d, 1, true)]
    #[case::tiocoutq(0x5411, 1, true)]
    #[case::tcgets(0x5401, 1, true)]
    #[case::tcgets2(0x802c_542a, 1, true)]
    #[case::fionread(0x541b, 1, false)]
    #[case::tiocgwinsz(0x5413, 1, false)]
    #[case::high_half_is_ignored_by_the_kernel_too(0xdead_0000_5415, 1, true)]
    fn requests(#[case] request: u64, #[case] argument: u64, #[case] notified: bool) {
        let expected = if notified { libc::SECCOMP_RET_USER_NOTIF } else { libc::SECCOMP_RET_ALLOW };
        for convention in CONVENTIONS {
            assert_eq!(verdict(convention.ioctl, convention.arch, [3, request, argument]), expected);
        }
    }

    #[test]
    fn other_calls_and_other_conventions_go_on() {
        for convention in CONVENTIONS {
            for nr in (0..600).filter(|nr| *nr != convention.ioctl) {
                assert_eq!(verdict(nr, convention.arch, [3, 0x5415, 1]), libc::SECCOMP_RET_ALLOW);
            }
            assert_eq!(verdict(convention.ioctl, 0x1234_5678, [3, 0x5415, 1]), libc::SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn the_program_is_short_and_all_jumps_stay_inside() {
        let program = program();
        assert!(program.len() < 64);
        for (index, instruction) in program.iter().enumerate() {
            let furthest = instruction.jump_true.max(instruction.jump_false);
            assert!(index + 1 + usize::from(furthest) <= program.len());
        }
    }
}
