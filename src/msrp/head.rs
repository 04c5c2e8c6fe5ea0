//! The start line and header fields of one request or response, kept octet for octet.
use super::{
    BadRequest, ByteRange, DecodeError, FailureReport, HeaderError, Kind, Method, Path, Status,
    lines::{Lines, NotKept, Noted},
};
use bytes::Bytes;
use std::{fmt, ops::Range};

/// Everything before the body. Fields keep their order and their octets; names are compared
/// without regard to case.
#[derive(Clone)]
pub struct Head {
    /// Begins with the head; what was read together with it may follow.
    raw: Bytes,
    lines: Lines,
    has_body: bool,
}

/// No head is longer than this, whatever the operator allows.
pub const MAX_HEAD: usize = 65_535;

impl Head {
    /// Makes a head of `raw`, in which `lines` were found.
    pub(super) fn new(raw: Bytes, lines: Lines, has_body: bool) -> Self {
        Self {
            raw,
            lines,
            has_body,
        }
    }

    /// Reads a head from `raw`, which is all of it.
    pub(super) fn read(raw: Bytes, has_body: bool) -> Result<Self, DecodeError> {
        let lines = Lines::read(&raw, MAX_HEAD)?;
        Ok(Self::new(raw, lines, has_body))
    }

    /// Returns the transaction id.
    pub fn transaction_id(&self) -> &[u8] {
        &self.raw[self.lines.id()]
    }

    /// Returns what the start line says.
    pub fn kind(&self) -> Kind<'_> {
        self.lines.kind(&self.raw)
    }

    /// Returns the method, if this is a request.
    pub fn method(&self) -> Option<Method<'_>> {
        match self.kind() {
            Kind::Request(method) => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// Tells whether this is a SEND.
    pub fn is_send(&self) -> bool {
        self.lines.is_send()
    }

    /// Tells whether a body follows, be it an empty one.
    pub fn has_body(&self) -> bool {
        self.has_body
    }

    /// Returns the octets as they were read, without the blank line before a body.
    pub fn octets(&self) -> &[u8] {
        &self.raw[..self.lines.length()]
    }

    /// Returns the lines of To-Path and From-Path as they were read, each with its CRLF; nothing
    /// where they are not the first two fields.
    pub fn path_lines(&self) -> &[u8] {
        match (self.lines.path_to(), self.lines.path_from()) {
            (Some(_), Some(_)) => &self.raw[self.lines.start_end()..self.paths_end()],
            _ => &[],
        }
    }

    /// Returns the lines of all fields behind the paths, each with its CRLF, without the blank
    /// line before a body.
    pub fn after_paths(&self) -> &[u8] {
        &self.raw[self.paths_end()..self.lines.length()]
    }

    /// Returns all fields in order, as name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.fields(&self.raw).map(|line| {
            let line = &self.raw[line];
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            let value = line.get(colon + 1..).unwrap_or_default();
            (&line[..colon], value.trim_ascii())
        })
    }

    /// Returns the lines of all fields but those named, without their CRLF.
    pub fn lines_except<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = Bytes> + 'a {
        self.lines
            .fields(&self.raw)
            .filter(|line| {
                let line = &self.raw[line.clone()];
                !names.iter().any(|name| value_of(line, name).is_some())
            })
            .map(|line| {
                let kept = self.raw[line.clone()].trim_ascii_end().len();
                self.raw.slice(line.start..line.start + kept)
            })
    }

    /// Returns the value of the first field called `name`.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.lines
            .fields(&self.raw)
            .find_map(|line| value_of(&self.raw[line], name))
    }

    /// Returns the value of the first field called `name` as a slice of the read buffer.
    pub fn value_bytes(&self, name: &str) -> Option<Bytes> {
        self.value(name).map(|value| self.raw.slice_ref(value))
    }

    /// Returns the value of the first field called `name`, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the text of To-Path, where it is the first field.
    pub fn to_path_text(&self) -> Option<&[u8]> {
        self.trimmed(self.lines.path_to())
    }

    /// Returns the text of From-Path, where it is the second field.
    pub fn from_path_text(&self) -> Option<&[u8]> {
        self.trimmed(self.lines.path_from())
    }

    /// Returns where the request goes.
    pub fn to_path(&self) -> Result<Path, BadRequest> {
        parse_path(self.to_path_text())
    }

    /// Returns where the request comes from.
    pub fn from_path(&self) -> Result<Path, BadRequest> {
        parse_path(self.from_path_text())
    }

    /// Returns the id of the message this is about.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id_octets()
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the id of the message, whatever its octets are.
    pub fn message_id_octets(&self) -> Option<&[u8]> {
        self.noted(Noted::MessageId)
    }

    /// Returns the value of Byte-Range as it was read.
    pub fn byte_range_text(&self) -> Option<&[u8]> {
        self.noted(Noted::ByteRange)
    }

    /// Returns which octets the chunk carries; `None` where the field is absent.
    pub fn byte_range(&self) -> Result<Option<ByteRange>, HeaderError> {
        match self.byte_range_text() {
            None => Ok(None),
            Some(value) => {
                let text = std::str::from_utf8(value).map_err(|_| HeaderError::Shape)?;
                ByteRange::parse(text).map(Some)
            }
        }
    }

    /// Returns the media type of the content, with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.text("Content-Type")
    }

    /// Tells whether the sender wants to hear of success. Absent means no.
    pub fn success_report(&self) -> bool {
        self.value("Success-Report")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"yes"))
    }

    /// Returns what the sender wants to hear of failure. Absent, or a word unknown, means yes.
    pub fn failure_report(&self) -> FailureReport {
        self.noted(Noted::FailureReport)
            .and_then(|value| FailureReport::parse(value).ok())
            .unwrap_or_default()
    }

    /// Returns the status of a REPORT.
    pub fn status(&self) -> Option<Status> {
        self.text("Status")
            .and_then(|value| Status::parse(value).ok())
    }

    /// Returns the code of a response.
    pub fn code(&self) -> Option<u16> {
        match self.kind() {
            Kind::Response { code, .. } => Some(code),
            Kind::Request(_) => None,
        }
    }

    /// Checks what framing alone does not: paths first, and the fields each method needs.
    ///
    /// Source: RFC 4975 §7.1, §7.1.1, §7.1.2 and §9.
    pub fn check(&self) -> Result<(), BadRequest> {
        if self.to_path_text().is_none() || self.from_path_text().is_none() {
            return Err(BadRequest::PathOrder);
        }
        let Kind::Request(method) = self.kind() else {
            return Ok(());
        };
        if matches!(method, Method::Send | Method::Report) {
            if self.message_id().is_none_or(str::is_empty) {
                return Err(BadRequest::NoMessageId);
            }
            self.byte_range().map_err(|_| BadRequest::ByteRange)?;
        }
        if method == Method::Send {
            self.check_preferences()?;
        }
        match self.has_body && self.value("Content-Type").is_none() {
            true => Err(BadRequest::NoContentType),
            false => Ok(()),
        }
    }

    fn check_preferences(&self) -> Result<(), BadRequest> {
        let success = self.value("Success-Report").is_none_or(|value| {
            value.eq_ignore_ascii_case(b"yes") || value.eq_ignore_ascii_case(b"no")
        });
        let failure = self
            .noted(Noted::FailureReport)
            .is_none_or(|value| FailureReport::parse(value).is_ok());
        match success && failure {
            true => Ok(()),
            false => Err(BadRequest::ReportPreference),
        }
    }

    /// Returns the octets the head was read from: they may go on behind it.
    pub(super) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Returns where the fields behind the paths begin: the third line after the start line.
    pub(super) fn paths_end(&self) -> usize {
        self.lines.end_of(1).unwrap_or(self.lines.length())
    }

    fn noted(&self, field: Noted) -> Option<&[u8]> {
        match self.lines.noted(field) {
            Ok(value) => self.trimmed(value),
            Err(NotKept) => self.value(field.name()),
        }
    }

    fn trimmed(&self, value: Option<Range<usize>>) -> Option<&[u8]> {
        value.map(|value| self.raw[value].trim_ascii())
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.octets() == other.octets() && self.has_body == other.has_body
    }
}

impl Eq for Head {}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("text", &String::from_utf8_lossy(self.octets()))
            .field("has_body", &self.has_body)
            .finish()
    }
}

fn parse_path(text: Option<&[u8]>) -> Result<Path, BadRequest> {
    let text = text.ok_or(BadRequest::PathOrder)?;
    let text = std::str::from_utf8(text).map_err(|_| BadRequest::Path)?;
    Path::parse(text).map_err(|_| BadRequest::Path)
}

/// Returns the value of the field in `line`, if it is called `name`.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let name = name.as_bytes();
    let (text, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    // nearly all peers write names as the standard does
    (text == name || text.eq_ignore_ascii_case(name)).then(|| value.trim_ascii())
}
