//! Records of the wire that belong to one message: what carried it, and the calls around that.
use crate::{
    sip::codec::{Limits, Message},
    telemetry::trace::Record,
};
use bytes::Bytes;
use memchr::memmem;
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
};

/// By what a message may be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Its own id, and those that others gave it.
    pub ids: BTreeSet<String>,
    /// Call-IDs.
    pub calls: BTreeSet<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// In their order.
    pub records: Vec<Record>,
    /// The calls they belong to.
    pub calls: BTreeSet<String>,
}

/// What is learnt of a message, from file to file.
#[derive(Debug, Default)]
struct Search {
    names: Names,
    /// URIs of the sessions that carried it.
    sessions: BTreeSet<String>,
    /// MSRP transactions that carried it.
    transactions: BTreeSet<String>,
}

impl Names {
    pub fn of(message_id: &str) -> Self {
        Self {
            ids: BTreeSet::from([message_id.to_owned()]),
            calls: BTreeSet::new(),
        }
    }
}

/// Reads `files` three times: for what carried the message, for the calls that made the sessions,
/// for all that was said in those.
///
/// Errors: a file cannot be read, or holds no record at all.
pub(super) fn of(names: &Names, files: &[PathBuf]) -> io::Result<Wire> {
    let mut search = Search {
        names: names.clone(),
        ..Search::default()
    };
    let ids = quoted(&search.names.ids);
    each(files, &ids, |record| search.carrier(record))?;
    let sessions = quoted(&search.sessions);
    each(files, &sessions, |record| search.call(record))?;
    let mut records = Vec::new();
    let wanted = [&search.names.ids, &search.names.calls, &search.transactions];
    let wanted: Vec<_> = wanted.into_iter().flat_map(quoted).collect();
    each(files, &wanted, |record| {
        if search.takes(&record) {
            records.push(record);
        }
    })?;
    records.sort_by_key(|record| record.at);
    Ok(Wire {
        records,
        calls: search.names.calls,
    })
}

/// Shows `take` every record in which one of `words` stands.
fn each(files: &[PathBuf], words: &[String], mut take: impl FnMut(Record)) -> io::Result<()> {
    let finders: Vec<_> = words.iter().map(memmem::Finder::new).collect();
    for file in files {
        let explain =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        let lines = BufReader::new(File::open(file).map_err(explain)?).split(b'\n');
        for (number, line) in lines.enumerate() {
            let line = line.map_err(explain)?;
            if number == 0 && serde_json::from_slice::<Record>(&line).is_err() {
                let what = "no trace of the wire; servers write one with trace.file";
                return Err(explain(io::Error::other(what)));
            }
            if finders.iter().any(|word| word.find(&line).is_some()) {
                // the last line may not be whole
                serde_json::from_slice(&line)
                    .into_iter()
                    .for_each(&mut take);
            }
        }
    }
    Ok(())
}

/// Words as they stand within a text of JSON.
fn quoted(words: &BTreeSet<String>) -> Vec<String> {
    let quote = |word: &String| {
        let text = serde_json::Value::from(word.as_str()).to_string();
        text[1..text.len() - 1].to_owned()
    };
    words.iter().map(quote).collect()
}

impl Search {
    /// A record in which the message's id stands: does it carry the message?
    fn carrier(&mut self, record: Record) {
        if record.is_sip() {
            self.names.calls.extend(call_of(&record));
        } else if self.is_id(field(&record.text, "Message-ID")) {
            self.transactions
                .extend(transaction(&record.text).map(str::to_owned));
            self.sessions.extend(ends(&record.text).map(str::to_owned));
        }
    }

    /// A record in which one of the sessions stands: is it the call that made it?
    fn call(&mut self, record: Record) {
        if record.is_sip() && paths(&record.text).any(|uri| self.sessions.contains(uri)) {
            self.names.calls.extend(call_of(&record));
        }
    }

    fn takes(&self, record: &Record) -> bool {
        if record.is_sip() {
            return call_of(record).is_some_and(|call| self.names.calls.contains(&call));
        }
        let is_answer = transaction(&record.text)
            .is_some_and(|transaction| self.transactions.contains(transaction));
        let is_of_session = ends(&record.text).all(|uri| self.sessions.contains(uri));
        self.is_id(field(&record.text, "Message-ID")) || (is_answer && is_of_session)
    }

    fn is_id(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.names.ids.contains(id))
    }
}

/// The SIP message of a record.
pub(super) fn message(record: &Record) -> Option<Message> {
    let octets = Bytes::copy_from_slice(record.text.as_bytes());
    Message::parse(octets, &Limits::default()).ok()
}

fn call_of(record: &Record) -> Option<String> {
    Some(message(record)?.call_id().into_owned())
}

/// The URIs in the session descriptions of a SIP message: of each path the last one, which is the
/// end that made it.
pub(super) fn paths(text: &str) -> impl Iterator<Item = &str> {
    let paths = text.lines().filter_map(|line| line.strip_prefix("a=path:"));
    paths.filter_map(|path| path.split_whitespace().next_back())
}

/// The session URIs of both ends of an MSRP head: who sends, who it is for.
pub(super) fn ends(head: &str) -> impl Iterator<Item = &str> {
    let end = |name| field(head, name)?.split(' ').next_back();
    [end("From-Path"), end("To-Path")].into_iter().flatten()
}

/// The value of an MSRP header field.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// `t1` of `MSRP t1 SEND`.
fn transaction(head: &str) -> Option<&str> {
    head.strip_prefix("MSRP ")?.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALICE: &str = "msrp://127.0.0.5:9/a;tcp";
    const SERVER: &str = "msrp://127.0.0.1:2855/s;tcp";

    fn sip(call: &str, start: &str, body: &str) -> String {
        let kind = start.split(' ').next().unwrap();
        format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.5;branch=z9hG4bK1\r\n\
             From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@b.example>\r\nCall-ID: {call}\r\n\
             CSeq: 1 {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn msrp(start: &str, to: &str, from: &str, rest: &str) -> String {
        format!("MSRP {start}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{rest}")
    }

    fn written(records: &[(&str, String)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trace");
        let lines = records
            .iter()
            .enumerate()
            .map(|(second, (protocol, text))| {
                let line = json!({
                    "at": format!("2026-11-16T06:37:{second:02}.000000Z"), "node": "PF-A",
                    "way": "received", "protocol": protocol, "transport": "TCP",
                    "peer": "127.0.0.5:9", "text": text,
                });
                format!("{line}\n")
            });
        std::fs::write(&file, lines.collect::<String>()).unwrap();
        (folder, file)
    }

    #[test]
    fn message_is_found_with_its_answers_and_the_call_that_made_its_session() {
        let path = format!("v=0\r\na=path:{ALICE}\r\n");
        let (_folder, file) = written(&[
            ("sip", sip("c1", "INVITE sip:bob@b.example", &path)),
            (
                "sip",
                sip(
                    "c2",
                    "INVITE sip:bob@b.example",
                    "a=path:msrp://x:1/y;tcp\r\n",
                ),
            ),
            (
                "msrp",
                msrp("t0 SEND", SERVER, ALICE, "Message-ID: other\r\n"),
            ),
            ("msrp", msrp("t1 SEND", SERVER, ALICE, "Message-ID: m1\r\n")),
            ("msrp", msrp("t0 200 OK", ALICE, SERVER, "")),
            ("msrp", msrp("t1 200 OK", ALICE, SERVER, "")),
            ("sip", sip("c1", "BYE sip:bob@b.example", "")),
        ]);
        let found = of(&Names::of("m1"), &[file]).unwrap();
        let starts: Vec<_> = found
            .records
            .iter()
            .map(|record| record.text.lines().next().unwrap())
            .collect();
        assert_eq!(
            starts,
            [
                "INVITE sip:bob@b.example SIP/2.0",
                "MSRP t1 SEND",
                "MSRP t1 200 OK",
                "BYE sip:bob@b.example SIP/2.0",
            ]
        );
        assert_eq!(found.calls, BTreeSet::from(["c1".to_owned()]));
    }

    #[test]
    fn message_in_a_request_is_found_by_the_id_in_its_wrapper() {
        let wrapped = "imdn.Message-ID: m1\r\n\r\nHello";
        let (_folder, file) = written(&[
            ("sip", sip("c1", "MESSAGE sip:bob@b.example", wrapped)),
            ("sip", sip("c2", "MESSAGE sip:bob@b.example", "Hello")),
        ]);
        let found = of(&Names::of("m1"), &[file]).unwrap();
        assert_eq!(found.records.len(), 1);
        assert_eq!(found.calls, BTreeSet::from(["c1".to_owned()]));
    }

    #[test]
    fn file_that_is_no_trace_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "INFO ready\n").unwrap();
        let error = of(&Names::of("m1"), &[file]).unwrap_err().to_string();
        assert!(error.contains("/log: no trace of the wire"), "{error}");
    }
}
