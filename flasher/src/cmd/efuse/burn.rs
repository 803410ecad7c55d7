//! `efuse burn`

use std::path::Path;

use bl702_flasher::efuse::{
    BurnPermit, BurnPlan, EFFECTS, Effect, SettingError, Wanted, names, parse_settings,
};
use bl702_flasher::flow::{self, BurnReport};
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::super::Outcome;
use super::super::context::Context;
use super::super::options::Options;
use super::{change_text, read};
use crate::failure::Failure;
use crate::report::Reporter;

#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Args {
    /// Fields and values, as uart_log_disable=1; or one file of 128 bytes that the fuses shall become
    #[arg(required = true, value_name = "NAME=VALUE|FILE")]
    what: Vec<String>,

    /// Burn, for ever. Without it, what would be burnt is shown, and the status is 3
    #[arg(long)]
    yes_burn_fuses: bool,

    /// Show what would be burnt, and whether it would be refused (then the status is 3)
    #[arg(long, conflicts_with = "yes_burn_fuses")]
    dry_run: bool,

    /// A consequence that is wanted; each has to be named (see the list below)
    #[arg(long, value_name = "CONSEQUENCE", value_delimiter = ',', hide_possible_values = true, value_parser = effect_names())]
    accept: Vec<String>,
}

fn effect_names() -> PossibleValuesParser {
    PossibleValuesParser::new(EFFECTS.iter().map(|effect| effect.name))
}

fn after_help() -> String {
    let mut text = "Examples:
  bl702-flash efuse burn uart_log_disable=1 --port /dev/ttyUSB0
  bl702-flash efuse burn uart_log_disable=1 --yes-burn-fuses --port /dev/ttyUSB0
  bl702-flash efuse burn wr_lock.wifi_mac=1 --accept write-locked --yes-burn-fuses --port /dev/ttyUSB0

Consequences, to be named with --accept:\n"
        .to_owned();
    for effect in EFFECTS {
        text.push_str(&format!("  {:<24} {}\n", effect.name, effect.says));
    }
    text.push_str("\nFields: ");
    text.push_str(&names().join(", "));
    text
}

fn wanted(what: &[String]) -> Result<Wanted, Failure> {
    if let [only] = what
        && !only.contains('=')
    {
        // A field without a value is a mistake that is told from a file that is not there.
        if names().iter().any(|name| name == only) && !Path::new(only).exists() {
            return Err(mistake(&SettingError::NoValue { text: only.clone() }));
        }
        return Ok(Wanted::Whole(Box::new(read(Path::new(only))?)));
    }
    parse_settings(what).map(Wanted::Fields).map_err(|error| mistake(&error))
}

fn mistake(error: &SettingError) -> Failure {
    Failure::usage(
        error.to_string(),
        "Write NAME=VALUE; `efuse burn --help` lists the fields, `efuse decode --all` shows their values.",
    )
}

pub(crate) fn run(args: &Args, options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let wanted = wanted(&args.what)?;
    let accepted: Vec<&'static Effect> = args.accept.iter().filter_map(|name| Effect::named(name)).collect();
    let permit = BurnPermit::from_option(args.yes_burn_fuses);
    let mut context = Context::open(options, reporter)?;
    let (connect, after, named) = (context.options.clone(), options.after(), accepted.clone());
    let report = context.run(|link| flow::burn_fuses(link, connect, after, wanted, named, permit))?;
    Ok(outcome(&report, &accepted, args.dry_run))
}

fn outcome(report: &BurnReport, accepted: &[&Effect], dry_run: bool) -> Outcome {
    let plan = &report.plan;
    let missing = plan.not_accepted(accepted);
    let json = json!({
        "burnt": report.burnt,
        "fuses": plan.fuse_count(),
        "words": plan.words,
        "changes": plan.changes,
        "effects": plan.effects.iter().map(|effect| effect.name).collect::<Vec<_>>(),
        "not_accepted": missing,
    });
    let (text, exit_code) = if plan.words.is_empty() {
        ("nothing to burn: the fuses are so already".to_owned(), 0)
    } else if report.burnt {
        (format!("{} burnt, read back, and nothing else has changed", fuses(plan.fuse_count())), 0)
    } else if !missing.is_empty() {
        let options: Vec<String> = missing.iter().map(|name| format!("--accept {name}")).collect();
        (format!("nothing was burnt; it would be refused without {}", options.join(" ")), 3)
    } else if dry_run {
        ("nothing was burnt, since this was a dry run; it would be burnt with --yes-burn-fuses".to_owned(), 0)
    } else {
        ("nothing was burnt: fuses are for ever. To burn these, add --yes-burn-fuses".to_owned(), 3)
    };
    let mut outcome = Outcome::new(vec![text], json);
    outcome.exit_code = exit_code;
    outcome
}

fn fuses(count: u32) -> String {
    if count == 1 { "1 fuse".to_owned() } else { format!("{count} fuses") }
}

/// What a burn would do, for people.
pub(crate) fn plan_text(plan: &BurnPlan) -> Vec<String> {
    if plan.words.is_empty() {
        return vec!["plan: no fuse to burn".to_owned()];
    }
    let mut text = vec![format!("plan: burn {}, for ever, word by word:", fuses(plan.fuse_count()))];
    text.extend(
        plan.words
            .iter()
            .map(|word| format!("  word {:02x}h  {:08x} -> {:08x}", word.offset, word.before, word.after())),
    );
    text.extend(plan.changes.iter().map(|change| format!("  {}", change_text(change))));
    text.extend(plan.effects.iter().map(|effect| format!("  ! {}: {}", effect.name, effect.says)));
    text
}
