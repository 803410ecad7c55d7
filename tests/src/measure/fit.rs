//! Least squares.

/// A straight line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// What there is without any unit.
    pub fixed: f64,
    /// What each unit adds.
    pub slope: f64,
    /// The largest distance of a point from the line, as a part of the point's own value.
    pub worst_off: f64,
}

impl Fit {
    /// The line with the least sum of squared distances from points (units, value).
    ///
    /// # Panics
    /// For fewer than two different numbers of units.
    pub fn through(points: &[(f64, f64)]) -> Fit {
        let count = points.len() as f64;
        let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        assert!(spread > 0.0, "a line needs two points");
        let slope = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
        let fixed = mean_y - slope * mean_x;
        let off = |(x, y): &(f64, f64)| ((fixed + slope * x - y) / y).abs();
        Fit { fixed, slope, worst_off: points.iter().map(off).fold(0.0, f64::max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_give_the_line() {
        let fit = Fit::through(&[(1.0, 5.0), (2.0, 7.0), (10.0, 23.0)]);
        assert!((fit.fixed - 3.0).abs() < 1e-9 && (fit.slope - 2.0).abs() < 1e-9, "{fit:?}");
        assert!(fit.worst_off < 1e-9);
    }

    #[test]
    fn a_point_beside_the_line_shows() {
        let fit = Fit::through(&[(0.0, 10.0), (1.0, 20.0), (2.0, 36.0)]);
        assert!((fit.slope - 13.0).abs() < 1e-9 && (fit.fixed - 9.0).abs() < 1e-9, "{fit:?}");
        assert!((fit.worst_off - 0.1).abs() < 1e-9, "{fit:?}");
    }
}
