//! Table and plot.

use std::fmt::Write as _;

use super::Work;
use super::run::Took;

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The work.
    pub work: Work,
    /// The flasher.
    pub flasher: String,
    /// What it took, or what was wrong in the end.
    pub took: Result<Took, String>,
    /// The least that line and flash allow, in seconds.
    pub bound_s: f64,
}

/// The table, as Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| work | flasher | wall s | module s | bound ÷ module | bytes to | from | round trips | resets | baud |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let (work, flasher) = (row.work.name(), &row.flasher);
        let _ = match &row.took {
            Ok(took) => writeln!(
                text,
                "| {work} | {flasher} | {:.1} | {:.2} | {:.2} | {} | {} | {} | {} | {} |",
                took.wall_s,
                took.module_s,
                row.bound_s / took.module_s,
                took.to_module,
                took.from_module,
                took.round_trips,
                took.resets,
                took.baud_bps,
            ),
            Err(why) => writeln!(text, "| {work} | {flasher} | **failed**: {why} | | | | | | | |"),
        };
    }
    text
}

const WIDTH: f64 = 860.0;
const LABELS: f64 = 250.0;
const BAR: f64 = 18.0;
const GAP: f64 = 5.0;
const HEAD: f64 = 30.0;
/// Room behind the longest bar for its figure.
const FIGURE: f64 = 60.0;
/// Readable on white and on black.
const COLOURS: [&str; 6] = ["#2f8f4e", "#c2703d", "#4a78b8", "#8a5aa8", "#a39a2b", "#7a7a7a"];

/// A bar for every row: module time, and a mark where the bound is.
pub fn plot(rows: &[Row]) -> String {
    let longest = rows.iter().filter_map(|row| row.took.as_ref().ok()).map(|took| took.module_s);
    let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABELS - FIGURE) / longest;
    let mut flashers: Vec<&str> = Vec::new();
    let mut body = String::new();
    let mut y = 0.0;
    let mut work = None;
    for row in rows {
        if work != Some(row.work) {
            work = Some(row.work);
            let _ = writeln!(
                body,
                "<text x=\"0\" y=\"{:.0}\" class=\"work\">{}</text>",
                y + 20.0,
                row.work.name()
            );
            y += HEAD;
        }
        if !flashers.contains(&row.flasher.as_str()) {
            flashers.push(&row.flasher);
        }
        let index = flashers.iter().position(|name| *name == row.flasher).unwrap_or_default();
        let colour = COLOURS[index % COLOURS.len()];
        let base = y + BAR - 5.0;
        let _ = writeln!(body, "<text x=\"12\" y=\"{base:.0}\">{}</text>", escaped(&row.flasher));
        if let Ok(took) = &row.took {
            let (length, bound) = (took.module_s * scale, LABELS + row.bound_s * scale);
            let _ = writeln!(
                body,
                "<rect x=\"{LABELS}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
                 <path d=\"M{bound:.1} {y:.0}v{BAR}\" stroke=\"#000\" stroke-width=\"2\"/>\n\
                 <text x=\"{:.1}\" y=\"{base:.0}\">{:.2} s</text>",
                LABELS + length + 6.0,
                took.module_s,
            );
        } else {
            let _ = writeln!(body, "<text x=\"{LABELS}\" y=\"{base:.0}\">failed</text>");
        }
        y += BAR + GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Module time of flashers side by side; the black mark is what line and flash allow</title>\n\
         <style>.work {{ font-weight: bold }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n",
        y + GAP
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let took = Took {
            wall_s: 8.25,
            module_s: 8.0,
            to_module: 70_000,
            from_module: 1_050_000,
            round_trips: 140,
            resets: 2,
            baud_bps: 2_000_000,
        };
        let row = |work, flasher: &str, took| Row { work, flasher: flasher.to_owned(), took, bound_s: 6.0 };
        vec![
            row(Work::Read, "bl702-flash", Ok(took.clone())),
            row(Work::Read, "a<b", Ok(Took { module_s: 16.0, ..took })),
            row(Work::Write, "bl702-flash", Err("it gave up".to_owned())),
        ]
    }

    #[test]
    fn the_table_has_a_line_for_every_run() {
        let text = table(&rows());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        let expected =
            "| read 1 MiB | bl702-flash | 8.2 | 8.00 | 0.75 | 70000 | 1050000 | 140 | 2 | 2000000 |";
        assert_eq!(lines[2], expected);
        assert!(lines[4].contains("**failed**: it gave up"));
    }

    #[test]
    fn bars_are_as_long_as_the_module_took() {
        let svg = plot(&rows());
        // 860 - 250 - 60 for 16 s.
        assert!(svg.contains("width=\"275.0\"") && svg.contains("width=\"550.0\""), "{svg}");
        assert!(svg.contains("M456.2 30v18"), "the bound of 6 s\n{svg}");
        assert!(svg.contains("a&lt;b") && svg.contains(">failed<"));
    }
}
