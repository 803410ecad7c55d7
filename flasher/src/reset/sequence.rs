//! A small language for resets by lines that no wiring describes: `D0|R1|W0.1|D1|R0`.
//!
//! | step | meaning |
//! |---|---|
//! | `D1`, `D0` | DTR is asserted, released |
//! | `R1`, `R0` | RTS is asserted, released |
//! | `U1,0` | both at once: DTR, then RTS |
//! | `W0.1` | waits 0.1 s |
//!
//! It is the language of esptool's `custom_reset_sequence`. An asserted line is low at the pin of a usual adapter. Both
//! lines are released where a sequence begins.

use std::fmt;
use std::str::FromStr;

use bl702_protocol::time::Nanos;

use super::{Lines, Step};

/// The longest wait of one step, in milliseconds.
const LONGEST_WAIT_MS: u64 = 10_000;

/// The longest of all waits together, so that every run has a bound a person would wait for.
const LONGEST_SEQUENCE_MS: u64 = 30_000;

/// The most steps.
const MOST_STEPS: usize = 64;

/// One step as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Dtr(bool),
    Rts(bool),
    Both(Lines),
    /// In microseconds, the finest that can be written.
    Wait(u64),
}

/// A sequence of changes of the modem lines and waits. It is read with [`str::parse`] and written as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    orders: Vec<Order>,
}

/// What is wrong with a sequence, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at column {column}: expected {expected}, found {}", found_text(.found))]
pub struct SequenceError {
    /// Column of the first character that is not as expected, from 1.
    pub column: usize,
    /// What could stand there.
    pub expected: &'static str,
    /// What stands there; empty at the end.
    pub found: String,
}

fn found_text(found: &str) -> String {
    if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") }
}

impl Sequence {
    /// The same as steps, lines released at first.
    pub fn steps(&self) -> Vec<Step> {
        let mut lines = Lines::default();
        let mut steps: Vec<Step> = Vec::new();
        for order in &self.orders {
            match (*order, steps.last_mut()) {
                (Order::Wait(span_us), Some(step)) => {
                    step.wait += Nanos::from_micros(span_us);
                    continue;
                }
                (Order::Wait(span_us), None) => {
                    steps.push(Step { lines, wait: Nanos::from_micros(span_us) });
                    continue;
                }
                (Order::Dtr(dtr), _) => lines.dtr = dtr,
                (Order::Rts(rts), _) => lines.rts = rts,
                (Order::Both(both), _) => lines = both,
            }
            steps.push(Step { lines, wait: Nanos::ZERO });
        }
        steps
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, order) in self.orders.iter().enumerate() {
            if index > 0 {
                f.write_str("|")?;
            }
            match order {
                Order::Dtr(dtr) => write!(f, "D{}", u8::from(*dtr))?,
                Order::Rts(rts) => write!(f, "R{}", u8::from(*rts))?,
                Order::Both(lines) => write!(f, "U{},{}", u8::from(lines.dtr), u8::from(lines.rts))?,
                Order::Wait(span_us) => {
                    let text = format!("{}.{:06}", span_us / 1_000_000, span_us % 1_000_000);
                    write!(f, "W{}", text.trim_end_matches('0').trim_end_matches('.'))?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Sequence {
    type Err = SequenceError;

    fn from_str(text: &str) -> Result<Sequence, SequenceError> {
        let mut reader = Reader { text, at: 0 };
        let mut orders = Vec::new();
        let mut all_us = 0;
        loop {
            reader.skip_spaces();
            let begin = reader.at;
            let order = reader.order()?;
            if let Order::Wait(span_us) = order {
                all_us += span_us;
            }
            if all_us > LONGEST_SEQUENCE_MS * 1000 {
                return Err(reader.error_at(begin, "waits of 30 s at most in all"));
            }
            orders.push(order);
            reader.skip_spaces();
            match reader.next() {
                None => return Ok(Sequence { orders }),
                Some('|') if orders.len() < MOST_STEPS => {}
                Some('|') => return Err(reader.error_at(reader.at - 1, "the end after 64 steps")),
                Some(other) => {
                    return Err(reader.error_at(reader.at - other.len_utf8(), "| or the end"));
                }
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error_at(&self, at: usize, expected: &'static str) -> SequenceError {
        let rest = &self.text[at..];
        let found: String = rest.chars().take_while(|c| *c != '|' && !c.is_whitespace()).take(12).collect();
        let found = if found.is_empty() { rest.chars().take(1).collect() } else { found };
        SequenceError { column: self.text[..at].chars().count() + 1, expected, found }
    }

    fn order(&mut self) -> Result<Order, SequenceError> {
        let begin = self.at;
        match self.next() {
            Some('D' | 'd') => Ok(Order::Dtr(self.level()?)),
            Some('R' | 'r') => Ok(Order::Rts(self.level()?)),
            Some('U' | 'u') => {
                let dtr = self.level()?;
                let comma = self.at;
                if self.next() != Some(',') {
                    return Err(self.error_at(comma, "a comma and 0 or 1 for RTS"));
                }
                Ok(Order::Both(Lines { dtr, rts: self.level()? }))
            }
            Some('W' | 'w') => self.wait(),
            _ => Err(self.error_at(begin, "D0, D1, R0, R1, U and two of these, or W and seconds")),
        }
    }

    fn level(&mut self) -> Result<bool, SequenceError> {
        let begin = self.at;
        match self.next() {
            Some('0') => Ok(false),
            Some('1') => Ok(true),
            _ => Err(self.error_at(begin, "0 (released) or 1 (asserted)")),
        }
    }

    fn wait(&mut self) -> Result<Order, SequenceError> {
        const SECONDS: &str = "seconds from 0 to 10, as 0.1";
        let begin = self.at;
        let len = self.rest().find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest().len());
        let number = &self.rest()[..len];
        let seconds: Option<f64> = number.parse().ok().filter(|_| !number.is_empty());
        let span_us = seconds.map(|seconds| (seconds * 1e6).round() as u64);
        match span_us.filter(|span_us| *span_us <= LONGEST_WAIT_MS * 1000) {
            Some(span_us) => {
                self.at += len;
                Ok(Order::Wait(span_us))
            }
            None => Err(self.error_at(begin, SECONDS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn lines(dtr: u8, rts: u8) -> Lines {
        Lines { dtr: dtr == 1, rts: rts == 1 }
    }

    #[test]
    fn steps_begin_with_both_lines_released() {
        let sequence: Sequence = "D0|R1|W0.1|D1|R0|W0.05|U1,1".parse().unwrap();
        let steps: Vec<(Lines, u64)> =
            sequence.steps().iter().map(|step| (step.lines, step.wait.as_millis())).collect();
        assert_eq!(
            steps,
            [(lines(0, 0), 0), (lines(0, 1), 100), (lines(1, 1), 0), (lines(1, 0), 50), (lines(1, 1), 0)]
        );
        let waits_first: Sequence = "W1|R1".parse().unwrap();
        assert_eq!(waits_first.steps()[0], Step { lines: lines(0, 0), wait: Nanos::from_secs(1) });
    }

    #[rstest]
    #[case("", 1, "the end")]
    #[case("D0|", 4, "the end")]
    #[case("D2", 2, "\"2\"")]
    #[case("D", 2, "the end")]
    #[case("D0|X1|W1", 4, "\"X1\"")]
    #[case("D0R1", 3, "\"R1\"")]
    #[case("D0 | W", 7, "the end")]
    #[case("W0.1.2", 2, "\"0.1.2\"")]
    #[case("W11", 2, "\"11\"")]
    #[case("W-1", 2, "\"-1\"")]
    #[case("W.", 2, "\".\"")]
    #[case("U1", 3, "the end")]
    #[case("U1,x", 4, "\"x\"")]
    #[case("ü0", 1, "\"ü0\"")]
    #[case("D0||D1", 4, "\"|\"")]
    #[case("W10|W10|W10|W0.1", 13, "\"W0.1\"")]
    fn mistakes_are_shown_where_they_stand(#[case] text: &str, #[case] column: usize, #[case] found: &str) {
        let error = text.parse::<Sequence>().unwrap_err();
        assert_eq!(error.column, column, "{error}");
        assert!(error.to_string().ends_with(&format!("found {found}")), "{error}");
    }

    #[test]
    fn a_mistake_as_people_read_it() {
        let says = |text: &str| text.parse::<Sequence>().unwrap_err().to_string();
        insta::assert_snapshot!(says("D0|R2"), @r#"at column 5: expected 0 (released) or 1 (asserted), found "2""#);
        insta::assert_snapshot!(says("D0|Z"), @r#"at column 4: expected D0, D1, R0, R1, U and two of these, or W and seconds, found "Z""#);
        insta::assert_snapshot!(says("W1s"), @r#"at column 3: expected | or the end, found "s""#);
    }

    fn any_order() -> impl Strategy<Value = Order> {
        prop_oneof![
            any::<bool>().prop_map(Order::Dtr),
            any::<bool>().prop_map(Order::Rts),
            (any::<bool>(), any::<bool>()).prop_map(|(dtr, rts)| Order::Both(Lines { dtr, rts })),
            (0..450_000_u64).prop_map(Order::Wait),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(orders in proptest::collection::vec(any_order(), 1..60)) {
            let sequence = Sequence { orders };
            prop_assert_eq!(sequence.to_string().parse::<Sequence>().unwrap(), sequence);
        }

        #[test]
        fn nothing_panics(text in "[DRUWdx0-9.,| ü]{0,40}") {
            if let Ok(sequence) = text.parse::<Sequence>() {
                prop_assert_eq!(sequence.to_string().parse::<Sequence>().unwrap(), sequence);
            }
        }
    }
}
