//! What raw peers write, and how they read what comes.
use std::collections::BTreeMap;

/// Returns the value of a header field.
pub fn value<'a>(frame: &'a str, name: &str) -> Option<&'a str> {
    let lines = head(frame).lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    values.next()
}

/// Returns the transaction id of a frame.
pub fn id(frame: &str) -> &str {
    frame.split(' ').nth(1).unwrap()
}

/// Returns the start line and the header fields.
pub fn head(frame: &str) -> &str {
    frame.split_once("\r\n\r\n").map_or(frame, |(head, _)| head)
}

/// Returns the content.
pub fn body(frame: &str) -> &str {
    let (_, rest) = frame.split_once("\r\n\r\n").unwrap_or_default();
    let mark = format!("\r\n-------{}", id(frame));
    rest.rsplit_once(&mark).map_or("", |(body, _)| body)
}

/// Returns the flag of the end-line.
pub fn flag(frame: &str) -> char {
    frame.trim_end().chars().next_back().unwrap()
}

/// Returns the first octet and the end of a Byte-Range, `*` as `None`.
pub fn range(frame: &str) -> (u64, Option<u64>, Option<u64>) {
    let text = value(frame, "Byte-Range").unwrap();
    let (octets, total) = text.split_once('/').unwrap();
    let (first, last) = octets.split_once('-').unwrap();
    (
        first.parse().unwrap(),
        last.parse().ok(),
        total.parse().ok(),
    )
}

/// Writes a request without a body.
pub fn plain_request(id: &str, method: &str, to: &str, from: &str, fields: &str) -> String {
    format!("MSRP {id} {method}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{fields}-------{id}$\r\n")
}

/// Writes a request with a body.
pub fn request(id: &str, method: &str, paths: (&str, &str), fields: &str, body: &str) -> String {
    let (to, from) = paths;
    format!(
        "MSRP {id} {method}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{fields}\r\n{body}\r\n\
         -------{id}$\r\n"
    )
}

/// Writes a SEND with a whole message.
pub fn send(id: &str, to: &str, from: &str, fields: &str, body: &str) -> String {
    let (range, message) = (format!("1-{0}/{0}", body.len()), format!("m-{id}"));
    chunk(id, (to, from), &message, &range, fields, body, '$')
}

/// Writes a SEND with a chunk.
pub fn chunk(
    id: &str,
    paths: (&str, &str),
    message: &str,
    range: &str,
    fields: &str,
    body: &str,
    flag: char,
) -> String {
    let (to, from) = paths;
    format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {message}\r\n\
         Byte-Range: {range}\r\n{fields}Content-Type: text/plain\r\n\r\n{body}\r\n\
         -------{id}{flag}\r\n"
    )
}

/// Writes a response.
pub fn answer(id: &str, status: &str, to: &str, from: &str) -> String {
    format!("MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n")
}

/// Returns the Authorization line that answers a challenge with MD5.
pub fn proof(challenge: &str, uri: &str, user: &str, password: &str) -> String {
    let part = |name: &str| {
        let start = challenge.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
        challenge[start..].split('"').next().unwrap()
    };
    let (realm, nonce) = (part("realm"), part("nonce"));
    let hash = |text: &str| {
        use md5::Digest;
        hex::encode(md5::Md5::digest(text))
    };
    let first = hash(&format!("{user}:{realm}:{password}"));
    let second = hash(&format!("AUTH:{uri}"));
    let response = hash(&format!("{first}:{nonce}:00000001:0a4f113b:auth:{second}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", \
         algorithm=MD5, qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"{response}\"\r\n"
    )
}

/// Messages put together from their chunks, which must join without a gap.
#[derive(Default)]
pub struct Messages {
    parts: BTreeMap<String, String>,
    /// How each message that is over has ended.
    pub ends: BTreeMap<String, char>,
    /// Chunks that came.
    pub chunks: usize,
}

impl Messages {
    /// Takes a SEND; returns the Message-ID if that ends the message.
    pub fn take(&mut self, frame: &str) -> Option<String> {
        let name = value(frame, "Message-ID").unwrap().to_owned();
        let so_far = self.parts.entry(name.clone()).or_default();
        let (first, last, _) = range(frame);
        let octets = body(frame);
        assert_eq!(first, so_far.len() as u64 + 1, "{name} joins");
        so_far.push_str(octets);
        if let Some(last) = last {
            assert_eq!(last, so_far.len() as u64, "{name} tells its end");
        }
        self.chunks += 1;
        match flag(frame) {
            '+' => None,
            end => {
                self.ends.insert(name.clone(), end);
                Some(name)
            }
        }
    }

    /// What came of a message.
    pub fn octets(&self, name: &str) -> &str {
        &self.parts[name]
    }
}
