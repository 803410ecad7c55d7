//! What the server's end of a connection does, takes and asks for of telnet's options.

use bl702_protocol::rfc2217::options::Options;
use bl702_protocol::rfc2217::telnet::{BINARY, COM_PORT, ECHO, SUPPRESS_GO_AHEAD, Verb};

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

/// The state of a new connection; what is to be said first goes to `out`.
pub fn open(out: &mut Vec<u8>) -> Options {
    Options::open(&OURS, &THEIRS, &OPENING, out)
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
        open(&mut out);
        assert_eq!(out, b"\xff\xfb\x00\xff\xfd\x00\xff\xfb\x03\xff\xfd\x03\xff\xfd\x2c");
    }

    // What pyserial 3.5 sends when it opens a port, in its order.
    #[test]
    fn pyserials_opening_is_answered_once() {
        let mut options = open(&mut Vec::new());
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
        let mut options = open(&mut Vec::new());
        assert_eq!(hear(&mut options, Verb::Do, 24), b"\xff\xfc\x18");
        assert_eq!(hear(&mut options, Verb::Will, 24), b"\xff\xfe\x18");
        assert_eq!(hear(&mut options, Verb::Dont, 24), b"");
        assert_eq!(hear(&mut options, Verb::Wont, 24), b"");
        assert_eq!(hear(&mut options, Verb::Will, ECHO), b"\xff\xfe\x01");
    }

    #[test]
    fn what_is_switched_off_is_confirmed_once() {
        let mut options = open(&mut Vec::new());
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
            let (mut a, mut b) = (open(&mut Vec::new()), open(&mut Vec::new()));
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
