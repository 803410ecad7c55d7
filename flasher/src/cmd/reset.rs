//! `reset`

use bl702_flasher::flow;
use serde_json::json;

use super::Outcome;
use super::context::Context;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

pub(crate) fn run(options: &Options, reporter: &mut dyn Reporter) -> Result<Outcome, Failure> {
    let mut context = Context::open(options, reporter)?;
    let connect = context.options.clone();
    let by_lines = connect.can_reset();
    context.run(|link| flow::reset(link, connect))?;
    let how = if by_lines { "through its EN line" } else { "by command" };
    Ok(Outcome::new(vec![format!("the module was reset {how}")], json!({"by_lines": by_lines})))
}
