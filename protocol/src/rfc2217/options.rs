//! Which telnet options are in force (RFC 854; the rules against endless loops of RFC 1143). Sans-IO.

use super::telnet::{COM_PORT, Verb, encode_option};

/// Whether one end does something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It does not: never asked for, refused, or switched off.
    #[default]
    No,
    /// Asked for, not answered.
    Asked,
    /// It does.
    Yes,
}

/// The options of one connection, at one of its ends. What is not in its lists is refused.
#[derive(Debug)]
pub struct Options {
    /// What this end does when it is asked to.
    ours: Vec<(u8, State)>,
    /// What this end agrees to the other's doing.
    theirs: Vec<(u8, State)>,
}

impl Options {
    /// The state of a new connection, whose ends may do what the lists say. What this end asks for by itself is
    /// `opening`; it goes to `out`.
    pub fn open(ours: &[u8], theirs: &[u8], opening: &[(Verb, u8)], out: &mut Vec<u8>) -> Options {
        let off = |list: &[u8]| list.iter().map(|option| (*option, State::No)).collect();
        let mut options = Options { ours: off(ours), theirs: off(theirs) };
        for (verb, option) in opening {
            if let Some(state) = options.state_mut(*verb, *option) {
                *state = State::Asked;
                encode_option(*verb, *option, out);
            }
        }
        options
    }

    /// What the other end says; the answer, if there is one, goes to `out`.
    pub fn hear(&mut self, verb: Verb, option: u8, out: &mut Vec<u8>) {
        // What the other end says of itself is about theirs, what it asks of this end about ours.
        let (ask, yes, no) = match verb {
            Verb::Do | Verb::Dont => (Verb::Will, Verb::Will, Verb::Wont),
            Verb::Will | Verb::Wont => (Verb::Do, Verb::Do, Verb::Dont),
        };
        let agrees = matches!(verb, Verb::Do | Verb::Will);
        let answer = match (self.state_mut(ask, option), agrees) {
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
    pub fn com_port(&self) -> bool {
        self.ours(COM_PORT) == State::Yes || find(&self.theirs, COM_PORT) == State::Yes
    }

    /// Whether this end does something.
    pub fn ours(&self, option: u8) -> State {
        find(&self.ours, option)
    }

    /// The state that a verb of this end is about.
    fn state_mut(&mut self, verb: Verb, option: u8) -> Option<&mut State> {
        let list = match verb {
            Verb::Will | Verb::Wont => &mut self.ours,
            Verb::Do | Verb::Dont => &mut self.theirs,
        };
        list.iter_mut().find(|(known, _)| *known == option).map(|(_, state)| state)
    }
}

fn find(list: &[(u8, State)], option: u8) -> State {
    list.iter().find(|(known, _)| *known == option).map_or(State::No, |(_, state)| *state)
}
