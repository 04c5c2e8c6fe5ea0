//! Lists as people and scripts read them.
use serde::Serialize;
use std::io::{self, Write};

/// How a list is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Form {
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Form {
    /// Prints `items`: as JSON, or as a table with a heading.
    pub(super) fn print<T: Serialize, const N: usize>(
        self,
        items: &[T],
        heading: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, items)?;
            return writeln!(out);
        }
        let rows: Vec<[String; N]> = items.iter().map(row).collect();
        out.write_all(aligned(heading, &rows).as_bytes())
    }

    /// Whether JSON is wanted.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints a line for people; scripts do not want it.
    pub(super) fn say(self, line: &str) {
        if !self.json {
            println!("{line}");
        }
    }

    /// Prints one document: as JSON, or as `text` says it.
    pub(super) fn print_one<T: Serialize>(self, item: &T, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, item)?;
            return writeln!(out);
        }
        writeln!(out, "{text}")
    }
}

/// Columns as wide as their widest cell, two blanks apart, nothing behind the last.
pub(super) fn aligned<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths);
        let text: Vec<String> = padded
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.join("  ").trim_end().to_owned() + "\n"
    };
    let rows = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    line(heading) + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["a".to_owned(), "1".to_owned()],
            ["longer".to_owned(), "22".to_owned()],
        ];
        assert_eq!(
            aligned(["WHO", "N"], &rows),
            "WHO     N\na       1\nlonger  22\n"
        );
    }
}
