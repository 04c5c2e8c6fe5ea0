//! Figures as `/metrics` shows them, and as the table describes them.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// One figure: what it is, and the values each of its labels has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figure {
    pub kind: String,
    pub unit: String,
    pub meaning: String,
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

impl Figure {
    /// Whether this row of the table says what `real` is.
    pub fn covers(&self, real: &Self) -> bool {
        let same = (&self.kind, &self.meaning) == (&real.kind, &real.meaning);
        let known = |(label, values): (&String, &BTreeSet<String>)| {
            let listed = self.labels.get(label);
            listed.is_some_and(|listed| listed.contains("…") || values.is_subset(listed))
        };
        same && self.labels.len() == real.labels.len() && real.labels.iter().all(known)
    }

    /// A row as it would have to be.
    pub fn row(&self, name: &str) -> String {
        let labels = self.labels.iter().map(|(label, values)| {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            format!("`{label}`: {}", values.join(", "))
        });
        let labels: Vec<_> = labels.collect();
        let labels = match labels.is_empty() {
            true => "–".to_owned(),
            false => labels.join("; "),
        };
        format!(
            "| `{name}` | {} | {labels} | … | {} |",
            self.kind, self.meaning
        )
    }
}

/// The rows of `METRICS.md` in `folder`.
pub fn documented(folder: &Path) -> BTreeMap<String, Figure> {
    let text = fs::read_to_string(folder.join("METRICS.md")).expect("the table of figures");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else {
            panic!("five columns: {row}");
        };
        let figure = Figure {
            kind: kind.to_owned(),
            unit: unit.to_owned(),
            meaning: meaning.to_owned(),
            labels: labels_of(labels),
        };
        (code(name), figure)
    })
    .collect()
}

fn labels_of(cell: &str) -> BTreeMap<String, BTreeSet<String>> {
    let parts = cell.split(';').filter_map(|part| part.split_once(':'));
    let label = |(name, values): (&str, &str)| (code(name), values.split(',').map(code).collect());
    parts.map(label).collect()
}

fn code(text: &str) -> String {
    text.trim().trim_matches('`').to_owned()
}

/// What a node shows.
pub fn shown(text: &str) -> BTreeMap<String, Figure> {
    let mut figures: BTreeMap<String, Figure> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "TYPE", name, kind] => entry(&mut figures, name).kind = kind.to_owned(),
            ["#", "HELP", name, meaning] => entry(&mut figures, name).meaning = meaning.to_owned(),
            _ => sample(&mut figures, line),
        }
    }
    figures
}

fn entry<'a>(figures: &'a mut BTreeMap<String, Figure>, name: &str) -> &'a mut Figure {
    figures.entry(name.to_owned()).or_default()
}

fn sample(figures: &mut BTreeMap<String, Figure>, line: &str) {
    let (series, _) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let parts = ["_bucket", "_sum", "_count"];
    let base = parts.iter().find_map(|part| {
        let base = name.strip_suffix(part)?;
        figures.contains_key(base).then_some(base)
    });
    let figure = entry(figures, base.unwrap_or(name));
    for pair in labels.trim_end_matches('}').split("\",") {
        let Some((label, value)) = pair.split_once("=\"") else {
            continue;
        };
        if label != "le" {
            let values = figure.labels.entry(label.to_owned()).or_default();
            values.insert(value.trim_end_matches('"').to_owned());
        }
    }
}

/// The names of figures in a query or a line of rules.
pub fn names_in(text: &str) -> BTreeSet<String> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':');
    let words = text.split(|char: char| !is_word(char));
    let begins = [
        "restante_",
        "process_",
        "instance:",
        "instance_key:",
        "instance_method:",
    ];
    let names = words.filter(|word| begins.iter().any(|begin| word.starts_with(begin)));
    let names = names.map(|name| name.trim_end_matches(':').to_owned());
    // the groups of rules are no figures, nor is the label of one
    let names = names.filter(|name| !matches!(name.as_str(), "instance" | "instance_key"));
    names.collect()
}
