//! Reports in files: written after a run, read again to be drawn and compared.
use super::{
    FORMAT, Report,
    html::{self, Run},
};
use clap::Args;
use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "\
Examples:

  The page of a run whose figures were kept with --json
    loadgen html monday.json

  Two runs side by side, with the same axes, and by how much they differ
    loadgen html before.json after.json --output change.html";

/// Options of `loadgen html`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Figures of runs, as --json writes them; several stand side by side
    #[arg(required = true, num_args = 1..=4, value_name = "FILE.json")]
    pub files: Vec<PathBuf>,
    /// Where the page goes [default: beside the first file, with the ending .html]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Draws the page that `options` ask for; returns where it is.
///
/// Errors: a sentence for the user about the file that cannot be read or written.
pub fn draw(options: &Options) -> Result<PathBuf, String> {
    let read = |path: &PathBuf| Ok((name_of(path), read(path)?));
    let reports: Result<Vec<(String, Report)>, String> = options.files.iter().map(read).collect();
    let reports = reports?;
    let runs = reports.iter().map(|(name, report)| Run { name, report });
    let page = html::page(&runs.collect::<Vec<_>>());
    let beside = || {
        options
            .files
            .first()
            .map(|path| path.with_extension("html"))
    };
    let output = options.output.clone().or_else(beside);
    let output = output.ok_or("there is no file to draw")?;
    fs::write(&output, page).map_err(|error| wrong(&output, &error))?;
    Ok(output)
}

/// Reads a report.
///
/// Errors: a sentence for the user if there is none, or a newer one than this version knows.
pub fn read(path: &Path) -> Result<Report, String> {
    let text = fs::read_to_string(path).map_err(|error| wrong(path, &error))?;
    let advice = "this is no report of a scenario, as --json writes it";
    let report: Report =
        serde_json::from_str(&text).map_err(|error| wrong(path, &format!("{error}: {advice}")))?;
    match report.format {
        0 => Err(wrong(path, &advice)),
        format if format > FORMAT => {
            let known = format!("written in format {format}, and this loadgen knows {FORMAT}");
            Err(wrong(path, &format!("{known}: take the newer loadgen")))
        }
        _ => Ok(report),
    }
}

/// Writes `report` as JSON and as a page to where it is wanted.
///
/// Errors: a sentence for the user about the file that cannot be written.
pub fn keep(report: &Report, json: Option<&Path>, page: Option<&Path>) -> Result<(), String> {
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(report).map_err(|error| wrong(path, &error))?;
        fs::write(path, text).map_err(|error| wrong(path, &error))?;
    }
    if let Some(path) = page {
        let run = Run { name: "", report };
        fs::write(path, html::page(&[run])).map_err(|error| wrong(path, &error))?;
    }
    Ok(())
}

/// Where what was told stands, or how it can be kept.
pub fn whereabouts(json: Option<&Path>, page: Option<&Path>) -> String {
    match (json, page) {
        (None, None) => {
            "charts with --html FILE; with --json FILE figures that `loadgen html` draws and compares"
                .to_owned()
        }
        (Some(json), None) => {
            let json = json.display();
            format!("figures are in {json}: `loadgen html {json}` draws them")
        }
        (None, Some(page)) => format!("charts are in {}", page.display()),
        (Some(json), Some(page)) => format!(
            "charts are in {}, figures in {}",
            page.display(),
            json.display()
        ),
    }
}

fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    stem.to_string_lossy().into_owned()
}

fn wrong(path: &Path, why: &dyn Display) -> String {
    format!("{}: {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::report;

    #[test]
    fn kept_report_is_drawn_as_it_was_when_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        let (json, page) = (file("monday.json"), file("monday.html"));
        keep(&report(), Some(&json), Some(&page)).unwrap();
        let at_once = fs::read_to_string(&page).unwrap();
        let options = Options {
            files: vec![json],
            output: None,
        };
        assert_eq!(draw(&options).unwrap(), page);
        assert_eq!(fs::read_to_string(&page).unwrap(), at_once);
    }

    #[test]
    fn two_kept_reports_become_one_page() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        let files = vec![file("before.json"), file("after.json")];
        for path in &files {
            keep(&report(), Some(path), None).unwrap();
        }
        let output = Some(file("both.html"));
        let page = draw(&Options { files, output }).unwrap();
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains("after ÷ before"), "no comparison");
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let refusal = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).unwrap_err()
        };
        assert!(refusal("{").contains("a.json"));
        assert!(refusal("{\"load\": \"another\"}").contains("--json"));
        assert!(refusal("{\"format\": 99}").contains("format 99"));
        assert!(
            read(Path::new("/nowhere.json"))
                .unwrap_err()
                .contains("/nowhere.json")
        );
    }
}
