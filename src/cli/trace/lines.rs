//! Lines of logs that tell of one message.
use super::wire::Names;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Fields that stand apart from the others of a line.
const KNOWN: [&str; 9] = [
    "timestamp",
    "level",
    "target",
    "node",
    "message",
    "message_id",
    "sender",
    "span",
    "spans",
];

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Line {
    fields: Map<String, Value>,
    /// Microseconds since 1970.
    #[serde(skip)]
    pub at: u64,
}

/// The lines of `files` that tell of the message, or of one of its `calls`, in their order.
///
/// Errors: a file cannot be read, or holds no JSON at all.
pub(super) fn of(
    message_id: &str,
    calls: &BTreeSet<String>,
    files: &[PathBuf],
) -> io::Result<Vec<Line>> {
    let mut found = Vec::new();
    for file in files {
        let explain =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        read(file, message_id, calls, &mut found).map_err(explain)?;
    }
    found.sort_by_key(|line| line.at);
    Ok(found)
}

fn read(
    file: &Path,
    message_id: &str,
    calls: &BTreeSet<String>,
    found: &mut Vec<Line>,
) -> io::Result<()> {
    let (mut is_empty, mut is_json) = (true, false);
    for text in BufReader::new(File::open(file)?).split(b'\n') {
        let text = text?;
        is_empty &= text.is_empty();
        let Some(line) = Line::parse(&text) else {
            continue;
        };
        is_json = true;
        if line.tells_of(message_id, calls) {
            found.push(line);
        }
    }
    match is_empty || is_json {
        true => Ok(()),
        false => Err(io::Error::other(
            "no line is JSON; servers write it with log.format = \"json\"",
        )),
    }
}

/// By what else the message may be known: an MSRP Message-ID of the sender's own, and its calls.
pub(super) fn names(message_id: &str, lines: &[Line]) -> Names {
    let mut names = Names::of(message_id);
    for line in lines {
        names
            .ids
            .extend(line.text("msrp_message_id").map(str::to_owned));
        names.calls.extend(line.all("call_id").map(str::to_owned));
    }
    names
}

impl Line {
    fn parse(text: &[u8]) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let at = fields.get("timestamp")?.as_str()?;
        let at = OffsetDateTime::parse(at, &Rfc3339).ok()?;
        let at = u64::try_from(at.unix_timestamp_nanos() / 1000).ok()?;
        Some(Self { fields, at })
    }

    /// The server that wrote it.
    pub fn node(&self) -> &str {
        self.text("node").unwrap_or_default()
    }

    /// What it says, and the fields that are not the message's own.
    pub fn words(&self) -> String {
        let mut words = self.text("message").unwrap_or_default().to_owned();
        for (name, value) in &self.fields {
            if KNOWN.contains(&name.as_str()) {
                continue;
            }
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            words.push_str(&format!(" {name}={value}"));
        }
        words
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// All values of a field: of the line, and of the spans it was written in.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let spans = self.fields.get("spans").and_then(Value::as_array);
        let around = spans.into_iter().flatten();
        let around = around.filter_map(move |span| span.get(name)?.as_str());
        self.text(name).into_iter().chain(around)
    }

    /// A line about another message tells nothing of this one, though both came by one call.
    fn tells_of(&self, message_id: &str, calls: &BTreeSet<String>) -> bool {
        match self.text("message_id") {
            Some(id) => id == message_id,
            None => self.all("call_id").any(|call| calls.contains(call)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = r#"{"node":"C","timestamp":"2026-11-16T06:37:26.123456Z","level":"DEBUG",
        "message":"received","message_id":"m1","msrp_message_id":"x7","octets":5,
        "target":"restante::trail","spans":[{"name":"request","call_id":"c1"}]}"#;

    fn line(text: &str) -> Line {
        Line::parse(text.replace('\n', " ").as_bytes()).unwrap()
    }

    #[test]
    fn line_tells_of_a_message_by_its_id_or_by_its_call() {
        let (line, calls) = (line(KEPT), BTreeSet::from(["c1".to_owned()]));
        assert!(line.tells_of("m1", &BTreeSet::new()));
        assert!(!line.tells_of("m2", &calls), "it is about another one");
        let mut of_call = line.clone();
        of_call.fields.remove("message_id");
        assert!(of_call.tells_of("m2", &calls));
        assert!(!of_call.tells_of("m2", &BTreeSet::new()));
        assert_eq!(line.at, 1_794_811_046_123_456);
        assert_eq!(line.words(), "received msrp_message_id=x7 octets=5");
    }

    #[test]
    fn sender_may_know_a_message_by_another_id() {
        let names = names("m1", &[line(KEPT)]);
        assert_eq!(
            names.ids,
            BTreeSet::from(["m1".to_owned(), "x7".to_owned()])
        );
        assert_eq!(names.calls, BTreeSet::from(["c1".to_owned()]));
    }

    #[test]
    fn log_for_people_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "2026-11-16T06:37:26Z  INFO ready\n").unwrap();
        let error = of("m1", &BTreeSet::new(), std::slice::from_ref(&file)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("log.format"), "{error}");
        std::fs::write(&file, "").unwrap();
        assert_eq!(of("m1", &BTreeSet::new(), &[file]).unwrap(), []);
    }
}
