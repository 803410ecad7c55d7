//! Every step of a run, one JSON object a line.

use serde_json::json;

use super::collect::Run;

/// The lines: attempts in the order of their scenarios, steps in their own.
pub fn steps(run: &Run) -> String {
    let mut lines = String::new();
    for ((id, target), case) in &run.cases {
        for (index, attempt) in case.attempts.iter().enumerate() {
            for step in &attempt.steps {
                let line = json!({
                    "run": run.info.name, "commit": run.info.commit, "id": id, "target": target,
                    "attempt": index + 1, "step": step.number, "keyword": step.keyword, "text": step.text,
                    "verdict": step.verdict, "duration_us": step.duration_us, "message": step.message,
                });
                lines.push_str(&line.to_string());
                lines.push('\n');
            }
        }
    }
    lines
}
