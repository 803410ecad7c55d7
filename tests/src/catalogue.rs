//! The feature files as a list: one entry per scenario, one per row of an outline.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use cucumber::feature::Ext as _;
use cucumber::gherkin::{Feature, GherkinEnv, LineCol, Scenario};

/// Where the project keeps its feature files.
pub fn features_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../features")
}

/// One scenario, or one row of a scenario outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `file::title-in-lower-case`. A tag `@id:NAME` keeps the second part when a title is reworded.
    pub id: String,
    /// Its title as it stands in the file.
    pub title: String,
    /// Title of the feature.
    pub feature: String,
    /// Tags of feature, rule and scenario, without `@` and without `id:`.
    pub tags: Vec<String>,
    /// The feature file.
    pub file: PathBuf,
    /// What in its steps only an emulated module can do.
    pub emulated_only_reason: Option<&'static str>,
    /// Where it stands in the file; differs between the rows of an outline.
    pub position: (usize, usize),
}

/// A feature file that cannot be used, or an id that stands for two scenarios.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct BadFeature {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Entry {
    /// Whether this is the entry's scenario.
    pub fn is(&self, scenario: &Scenario) -> bool {
        place(scenario.position) == self.position
    }
}

/// All scenarios of the feature files in a folder, in the order of their names, and what is wrong with the others.
///
/// # Panics
/// If the folder cannot be listed or holds no feature file.
pub fn read(folder: &Path) -> (Vec<Entry>, Vec<BadFeature>) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()))
        .map(|entry| entry.expect("cannot list a folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "feature"))
        .collect();
    assert!(!files.is_empty(), "no feature file in {}", folder.display());
    files.sort();
    let (mut entries, mut bad) = (Vec::new(), Vec::new());
    for file in files {
        match read_file(&file) {
            Ok(found) => entries.extend(found),
            Err(reason) => bad.push(BadFeature { file, reason }),
        }
    }
    bad.extend(doubles(&entries));
    (entries, bad)
}

/// The scenarios of one file.
fn read_file(file: &Path) -> Result<Vec<Entry>, String> {
    let feature = Feature::parse_path(file, GherkinEnv::default()).map_err(|error| error.to_string())?;
    let feature = feature.expand_examples().map_err(|error| error.to_string())?;
    let stem = file.file_stem().and_then(|stem| stem.to_str()).ok_or("the file's name is not plain text")?;
    let mut entries = Vec::new();
    let rules = feature.rules.iter().map(|rule| (&rule.scenarios, rule.tags.as_slice()));
    for (scenarios, rule_tags) in std::iter::once((&feature.scenarios, [].as_slice())).chain(rules) {
        for scenario in scenarios {
            let all = || feature.tags.iter().chain(rule_tags).chain(&scenario.tags);
            let given = all().find_map(|tag| tag.strip_prefix("id:"));
            let name = given.map_or_else(|| slug(&scenario.name), str::to_owned);
            if name.is_empty() {
                return Err(format!("the scenario in line {} has no title", scenario.position.line));
            }
            let mut tags: Vec<String> = Vec::new();
            for tag in all().filter(|tag| !tag.starts_with("id:")) {
                if !tags.contains(tag) {
                    tags.push(tag.clone());
                }
            }
            let background = feature.background.iter().flat_map(|background| &background.steps);
            let reason = background.chain(&scenario.steps).find_map(|step| emulated_only_reason(&step.value));
            entries.push(Entry {
                id: format!("{stem}::{name}"),
                title: scenario.name.clone(),
                feature: feature.name.clone(),
                tags,
                emulated_only_reason: reason,
                file: file.to_owned(),
                position: place(scenario.position),
            });
        }
    }
    if entries.is_empty() {
        return Err("there is no scenario in it".to_owned());
    }
    Ok(entries)
}

/// Why a step can be done with an emulated module only. Everything else is up to the bench.
fn emulated_only_reason(step: &str) -> Option<&'static str> {
    /// A part of the step, and what it does.
    const STEPS: [(&str, &str); 8] = [
        ("the fault \"", "arms a fault"),
        ("its flash refuses to be", "arms a fault"),
        ("its fuses are those of", "sets fuses"),
        ("its fuse ", "sets fuses"),
        // Not even a sacrificial chip: it would refuse the RAM loader of every scenario behind this one.
        ("accept \"signed-images-only\"", "sets fuses"),
        ("the emulator is killed", "kills the emulator"),
        ("the emulator is started again", "kills the emulator"),
        ("the module lives in a process of its own", "kills the emulator"),
    ];
    STEPS.iter().find(|(part, _)| step.contains(part)).map(|(_, reason)| *reason)
}

fn place(position: LineCol) -> (usize, usize) {
    (position.line, position.col)
}

/// Letters and digits in lower case, everything else a single hyphen; commas in numbers fall out.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars().filter(|letter| !matches!(letter, ',' | '\'')) {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn doubles(entries: &[Entry]) -> Vec<BadFeature> {
    let mut seen: HashMap<&str, &Entry> = HashMap::new();
    let mut bad = Vec::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.id, entry) {
            let (a, b) = (first.position.0, entry.position.0);
            let reason = format!(
                "lines {a} and {b} both are {}: give them other titles, an outline one that differs by row",
                entry.id
            );
            bad.push(BadFeature { file: entry.file.clone(), reason });
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn each_row_of_an_outline_is_an_entry() {
        let text = "\
@reads
Feature: F

  @slow
  Scenario Outline: It runs at <baud> baud
    Given <baud>

    Examples:
      | baud    |
      | 500,000 |
      | 9,600   |

  @id:old-name @slow
  Scenario: A better title
    Given x
";
        let folder = folder(&[("rates.feature", text)]);
        let (entries, bad) = read(folder.path());
        assert_eq!(bad, []);
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["rates::it-runs-at-500000-baud", "rates::it-runs-at-9600-baud", "rates::old-name"]);
        assert_eq!(entries[2].tags, ["reads", "slow"]);
        assert_ne!(entries[0].position, entries[1].position);
    }

    #[test]
    fn a_file_that_does_not_parse_is_named() {
        let good = "Feature: F\n\n  Scenario: S\n    Given x\n";
        let folder = folder(&[("bad.feature", "Scenario without a feature"), ("good.feature", good)]);
        let (entries, bad) = read(folder.path());
        assert_eq!(entries.len(), 1);
        assert!(bad[0].file.ends_with("bad.feature"), "{bad:?}");
    }

    #[test]
    fn a_placeholder_without_a_column_is_an_error() {
        let text =
            "Feature: F\n\n  Scenario Outline: S\n    Given <b>\n\n    Examples:\n      | a |\n      | 1 |\n";
        let folder = folder(&[("bad.feature", text)]);
        assert_eq!(read(folder.path()).1.len(), 1);
    }

    #[test]
    fn one_id_for_two_scenarios_is_an_error() {
        let text = "Feature: F\n\n  Scenario: S\n    Given x\n\n  Scenario: s.\n    Given x\n";
        let folder = folder(&[("twice.feature", text)]);
        let (_, bad) = read(folder.path());
        assert!(bad[0].reason.contains("twice::s"), "{bad:?}");
    }
}
