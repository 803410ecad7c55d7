//! A figure beside its goal.

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// The figure is for information.
    None,
}

impl Goal {
    /// Whether a figure is what it should be; nothing if there is no goal.
    pub fn is_reached(self, figure: f64) -> Option<bool> {
        match self {
            Goal::AtLeast(goal) => Some(figure >= goal),
            Goal::AtMost(goal) => Some(figure <= goal),
            Goal::None => None,
        }
    }
}

/// A line: what was measured, the figure, the goal, and which of both is ahead.
pub fn line(what: &str, figure: f64, unit: &str, goal: Goal) -> String {
    let figures = match figure {
        small if small.abs() < 10.0 => format!("{small:.3}"),
        large if large.abs() >= 1000.0 => format!("{large:.0}"),
        other => format!("{other:.1}"),
    };
    let wanted = match goal {
        Goal::AtLeast(goal) => format!("≥ {goal}"),
        Goal::AtMost(goal) => format!("≤ {goal}"),
        Goal::None => String::new(),
    };
    let verdict = match goal.is_reached(figure) {
        Some(true) => "reached",
        Some(false) => "BEHIND",
        None => "",
    };
    format!("{what:66} {figures:>9} {unit:4} {wanted:>8}  {verdict}").trim_end().to_owned()
}

/// Prints a line.
pub fn row(what: &str, figure: f64, unit: &str, goal: Goal) {
    println!("{}", line(what, figure, unit, goal));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_may_be_a_floor_or_a_ceiling() {
        assert_eq!(Goal::AtLeast(0.5).is_reached(0.5), Some(true));
        assert_eq!(Goal::AtLeast(0.5).is_reached(0.49), Some(false));
        assert_eq!(Goal::AtMost(60.0).is_reached(60.1), Some(false));
        assert_eq!(Goal::None.is_reached(1.0), None);
        assert!(line("ready", 12.34, "ms", Goal::AtMost(20.0)).ends_with("12.3 ms       ≤ 20  reached"));
        assert!(line("rate", 0.4, "", Goal::AtLeast(0.5)).ends_with("BEHIND"));
        assert!(line("rate", 4321.4, "", Goal::None).ends_with("4321"));
    }
}
