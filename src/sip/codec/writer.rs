//! Octets and index of a new message, written side by side.
use super::{
    Message, Method, Name,
    index::{ContentLength, Field, Index, Start},
};

/// The first line of a message to be.
#[derive(Clone, Debug)]
pub(super) enum StartLine {
    Request { method: Method, uri: String },
    Response { code: u16, reason: String },
}

/// A message being written, with the index it will have.
pub(super) struct Writer {
    octets: Vec<u8>,
    index: Index,
}

impl Writer {
    /// Begins a message of about so many octets and fields.
    pub fn starting(start: StartLine, capacity: usize, fields: usize) -> Self {
        let mut octets = Vec::with_capacity(capacity);
        let start = match start {
            StartLine::Request { method, uri } => {
                octets.extend_from_slice(format!("{method} {uri} SIP/2.0\r\n").as_bytes());
                let (uri_at, end) = (method.as_str().len() + 1, octets.len() - 2);
                Start::Request {
                    method,
                    uri: uri_at as u32..(uri_at + uri.len()) as u32,
                    version: (end - 7) as u32..end as u32,
                    loose: false,
                }
            }
            StartLine::Response { code, reason } => {
                octets.extend_from_slice(format!("SIP/2.0 {code:03} {reason}\r\n").as_bytes());
                Start::Response {
                    code,
                    reason: 12..(12 + reason.len()) as u32,
                    version: 0..7,
                }
            }
        };
        let index = Index {
            start,
            fields: Vec::with_capacity(fields),
            content_length: ContentLength::Absent,
            head: 0,
        };
        Self { octets, index }
    }

    pub fn field(&mut self, name: Name, text: &[u8], value: &[u8]) {
        let line = self.octets.len();
        self.octets.extend_from_slice(text);
        self.octets.extend_from_slice(b": ");
        self.octets.extend_from_slice(value);
        self.index.fields.push(Field {
            name,
            folded: false,
            line: line as u32,
            name_end: (line + text.len()) as u32,
            value: (line + text.len() + 2) as u32,
            value_end: self.octets.len() as u32,
        });
        self.octets.extend_from_slice(b"\r\n");
    }

    pub fn finish(mut self, body: &[u8]) -> Message {
        let mut digits = itoa::Buffer::new();
        let length = digits.format(body.len());
        self.field(Name::ContentLength, b"Content-Length", length.as_bytes());
        self.octets.extend_from_slice(b"\r\n");
        self.index.content_length = ContentLength::Octets(body.len());
        self.index.head = self.octets.len();
        self.octets.extend_from_slice(body);
        Message::from_parts(self.octets.into(), self.index)
    }
}
