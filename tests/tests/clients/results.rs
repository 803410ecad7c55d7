//! What the tests have shown, for the README's table.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use bl702_harness::clients::tools::Tool;

/// Every byte was compared.
pub(crate) const EQUAL: &str = "every byte is right, no fuse burnt";

/// Tells that a tool did an operation with this result. To be called when nothing can fail any more.
pub(crate) fn passed(tool: &Tool, operation: &str, result: &str) {
    let Some(folder) = std::env::var_os("BL702_CLIENT_RESULTS").map(PathBuf::from) else { return };
    let row = json!({
        "client": tool.name,
        "version": tool.version,
        "operation": operation,
        "result": result,
        "port": "--port {port}",
    });
    let words: String = operation.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{}-{}-{words}.json", tool.name, tool.version)), row.to_string()).unwrap();
}
