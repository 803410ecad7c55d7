//! Which telnet options are in force (RFC 854; the rules against endless loops of RFC 1143). Sans-IO.

use super::telnet::{Verb, encode_option};

/// Eight-bit data (RFC 856).
pub const BINARY: u8 = 0;
/// The other end shows what a person types, or not (RFC 857).
pub const ECHO: u8 = 1;
/// No turn taking (RFC 858).
pub const SUPPRESS_GO_AHEAD: u8 = 3;
/// Control of a serial port (RFC 2217).
pub const COM_PORT: u8 = 44;

/// What this end does when it is asked to. ECHO: whether a typed byte is shown is the module's business, so that a
/// person's telnet program shall not show it by itself.
const OURS: [u8; 4] = [BINARY, ECHO, SUPPRESS_GO_AHEAD, COM_PORT];
/// What this end agrees to the other's doing.
const THEIRS: [u8; 3] = [BINARY, SUPPRESS_GO_AHEAD, COM_PORT];
/// What this end asks for by itself. pyserial, for one, offers no BINARY but takes it.
const OPENING: [(Verb, u8); 5] = [
    (Verb::Will, BINARY),
    (Verb::Do, BINARY),
    (Verb::Will, SUPPRESS_GO_AHEAD),
    (Verb::Do, SUPPRESS_GO_AHEAD),
    (Verb::Do, COM_PORT),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    No,
    /// Asked for, not answered.
    Asked,
    Yes,
}

/// The options of one connection, at the server's end.
#[derive(Debug)]
pub struct Options {
    ours: [State; OURS.len()],
    theirs: [State; THEIRS.len()],
}

impl Options {
    /// The state of a new connection; what is to be said first goes to `out`.
    pub fn open(out: &mut Vec<u8>) -> Options {
        let mut options = Options { ours: Default::default(), theirs: Default::default() };
        for (verb, option) in OPENING {
            let state = match verb {
                Verb::Will | Verb::Wont => options.our(option),
                Verb::Do | Verb::Dont => options.their(option),
            };
            if let Some(state) = state {
                *state = State::Asked;
                encode_option(verb, option, out);
            }
        }
        options
    }

    /// What the other end says; the answer, if there is one, goes to `out`.
    pub fn hear(&mut self, verb: Verb, option: u8, out: &mut Vec<u8>) {
        let (state, yes, no) = match verb {
            Verb::Do | Verb::Dont => (self.our(option), Verb::Will, Verb::Wont),
            Verb::Will | Verb::Wont => (self.their(option), Verb::Do, Verb::Dont),
        };
        let agrees = matches!(verb, Verb::Do | Verb::Will);
        let answer = match (state, agrees) {
            // Refusing what is off already is how loops begin.
            (None, false) => None,
            (None, true) => Some(no),
            (Some(state), agrees) => {
                let before = std::mem::replace(state, if agrees { State::Yes } else { State::No });
                match (before, agrees) {
                    (State::No, true) => Some(yes),
                    (State::Yes, false) => Some(no),
                    _ => None,
                }
            }
        };
        if let Some(answer) = answer {
            encode_option(answer, option, out);
        }
    }

    /// Whether either end has agreed to RFC 2217.
    pub fn com_port(&mut self) -> bool {
        [self.our(COM_PORT).copied(), self.their(COM_PORT).copied()].contains(&Some(State::Yes))
    }

    fn our(&mut self, option: u8) -> Option<&mut State> {
        OURS.iter().position(|ours| *ours == option).map(|index| &mut self.ours[index])
    }

    fn their(&mut self, option: u8) -> Option<&mut State> {
        THEIRS.iter().position(|theirs| *theirs == option).map(|index| &mut self.theirs[index])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hear(options: &mut Options, verb: Verb, option: u8) -> Vec<u8> {
        let mut out = Vec::new();
        options.hear(verb, option, &mut out);
        out
    }

    #[test]
    fn the_opening_asks_for_binary_both_ways() {
        let mut out = Vec::new();
        Options::open(&mut out);
        assert_eq!(out, b"\xff\xfb\x00\xff\xfd\x00\xff\xfb\x03\xff\xfd\x03\xff\xfd\x2c");
    }

    // What pyserial 3.5 sends when it opens a port, in its order.
    #[test]
    fn pyserials_opening_is_answered_once() {
        let mut options = Options::open(&mut Vec::new());
        assert_eq!(hear(&mut options, Verb::Do, ECHO), b"\xff\xfb\x01");
        assert_eq!(hear(&mut options, Verb::Will, SUPPRESS_GO_AHEAD), b"", "asked for already");
        assert_eq!(hear(&mut options, Verb::Do, SUPPRESS_GO_AHEAD), b"");
        assert!(!options.com_port());
        assert_eq!(hear(&mut options, Verb::Do, COM_PORT), b"\xff\xfb\x2c");
        assert!(options.com_port());
        assert_eq!(hear(&mut options, Verb::Will, COM_PORT), b"");
        // Its answers to our opening.
        assert_eq!(hear(&mut options, Verb::Do, BINARY), b"");
        assert_eq!(hear(&mut options, Verb::Will, BINARY), b"");
    }

    #[test]
    fn the_unknown_is_refused_and_a_refusal_is_not_answered() {
        let mut options = Options::open(&mut Vec::new());
        assert_eq!(hear(&mut options, Verb::Do, 24), b"\xff\xfc\x18");
        assert_eq!(hear(&mut options, Verb::Will, 24), b"\xff\xfe\x18");
        assert_eq!(hear(&mut options, Verb::Dont, 24), b"");
        assert_eq!(hear(&mut options, Verb::Wont, 24), b"");
        assert_eq!(hear(&mut options, Verb::Will, ECHO), b"\xff\xfe\x01");
    }

    #[test]
    fn what_is_switched_off_is_confirmed_once() {
        let mut options = Options::open(&mut Vec::new());
        assert_eq!(hear(&mut options, Verb::Do, COM_PORT), b"\xff\xfb\x2c");
        assert_eq!(hear(&mut options, Verb::Dont, COM_PORT), b"\xff\xfc\x2c");
        assert_eq!(hear(&mut options, Verb::Dont, COM_PORT), b"");
        assert!(!options.com_port());
    }

    proptest! {
        // Two such ends do not talk for ever: asked, offered, refused, confirmed.
        #[test]
        fn no_loops(verb in 0_usize..4, option in any::<u8>(), history in proptest::collection::vec((0_usize..4, any::<u8>()), 0..40)) {
            const VERBS: [Verb; 4] = [Verb::Will, Verb::Wont, Verb::Do, Verb::Dont];
            let (mut a, mut b) = (Options::open(&mut Vec::new()), Options::open(&mut Vec::new()));
            for (verb, option) in history {
                hear(&mut a, VERBS[verb], option);
            }
            let mut said = (VERBS[verb], option);
            let mut turns = 0;
            loop {
                let answerer = if turns % 2 == 0 { &mut a } else { &mut b };
                let answer = hear(answerer, said.0, said.1);
                let Some(verb) = VERBS.into_iter().find(|verb| answer.get(1) == Some(&verb.code())) else { break };
                said = (verb, answer[2]);
                turns += 1;
                prop_assert!(turns <= 3);
            }
        }
    }
}
