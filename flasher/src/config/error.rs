//! What can be wrong with a configuration.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// File, line and column, or the variable of the environment.
    pub place: String,
    /// What is wrong there, in words.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl ConfigError {
    /// Something about a file as a whole.
    pub(super) fn of_file(path: &Path, what: impl Into<String>) -> ConfigError {
        let hint =
            "Correct the file, name another one with --settings FILE, or use none with --settings none."
                .into();
        ConfigError { place: path.display().to_string(), what: what.into(), hint }
    }
}

/// A text and where it came from, to turn positions into lines and columns.
#[derive(Debug)]
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    pub(super) path: PathBuf,
}

impl Source<'_> {
    /// Line of a position, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.before(at).matches('\n').count() + 1
    }

    fn before(&self, at: usize) -> &str {
        let at = (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        &self.text[..at.unwrap_or(0)]
    }

    /// An error at a position.
    pub(super) fn error(&self, at: &Range<usize>, what: impl Into<String>) -> ConfigError {
        let before = self.before(at.start);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = format!("{}:{}:{column}", self.path.display(), self.line(at.start));
        ConfigError { place, ..ConfigError::of_file(&self.path, what) }
    }
}

/// The known name that is most like a wrong one, if any is like it.
pub(super) fn nearest<'n>(wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wrong = plain(wrong);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &plain(name)), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
