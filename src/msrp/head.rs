//! The start line and header fields of one request or response, kept octet for octet.
use super::{
    BadRequest, ByteRange, DecodeError, FailureReport, HeaderError, Kind, Method, Path, Status,
    encoding, start_line,
};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::{fmt, ops::Range};

/// Everything before the body. Fields keep their order and their octets; names are compared
/// without regard to case.
#[derive(Clone)]
pub struct Head {
    raw: Bytes,
    transaction_id: Span,
    kind: Kind,
    fields: SmallVec<[Field; 8]>,
    has_body: bool,
}

/// No head is longer than this, whatever the operator allows.
pub const MAX_HEAD: usize = 65_535;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn of(start: usize, end: usize) -> Self {
        let octets = |at| u16::try_from(at).expect("a head is shorter than MAX_HEAD");
        Self {
            start: octets(start),
            end: octets(end),
        }
    }

    fn range(self) -> Range<usize> {
        self.start.into()..self.end.into()
    }
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

impl Head {
    /// Reads a head from `raw`, whose lines (start line first) end, CRLF included, at `ends`.
    pub(super) fn index(raw: Bytes, ends: &[u16], has_body: bool) -> Result<Self, DecodeError> {
        let start_end = ends.first().ok_or(DecodeError::BadStartLine)?;
        let (id, kind) = start_line::read(&raw, usize::from(*start_end) - 2)?;
        let mut fields = SmallVec::with_capacity(ends.len() - 1);
        for line in ends.windows(2) {
            fields.push(field(&raw, line[0].into(), usize::from(line[1]) - 2)?);
        }
        Ok(Self {
            raw,
            transaction_id: Span::of(id.start, id.end),
            kind,
            fields,
            has_body,
        })
    }

    /// Returns the transaction id.
    pub fn transaction_id(&self) -> &[u8] {
        &self.raw[self.transaction_id.range()]
    }

    /// Returns what the start line says.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Returns the method, if this is a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.kind {
            Kind::Request(method) => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// Tells whether a body follows, be it an empty one.
    pub fn has_body(&self) -> bool {
        self.has_body
    }

    /// Returns the octets as they were read, without the blank line before a body.
    pub fn octets(&self) -> &Bytes {
        &self.raw
    }

    /// Returns all fields in order, as name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let text = |span: Span| &self.raw[span.range()];
        self.fields
            .iter()
            .map(move |field| (text(field.name), text(field.value)))
    }

    /// Returns the lines of all fields but those named, without their CRLF.
    pub fn lines_except<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = Bytes> + 'a {
        self.fields.iter().filter_map(move |field| {
            let name = &self.raw[field.name.range()];
            let hidden = names
                .iter()
                .any(|hidden| name.eq_ignore_ascii_case(hidden.as_bytes()));
            (!hidden).then(|| {
                self.raw
                    .slice(field.name.range().start..field.value.range().end)
            })
        })
    }

    /// Returns the value of the first field called `name`.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.span(name).map(|span| &self.raw[span.range()])
    }

    /// Returns the value of the first field called `name` as a slice of the read buffer.
    pub fn value_bytes(&self, name: &str) -> Option<Bytes> {
        self.span(name).map(|span| self.raw.slice(span.range()))
    }

    /// Returns the value of the first field called `name`, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Returns the text of To-Path, where it is the first field.
    pub fn to_path_text(&self) -> Option<&[u8]> {
        self.field_at(0, "To-Path")
    }

    /// Returns the text of From-Path, where it is the second field.
    pub fn from_path_text(&self) -> Option<&[u8]> {
        self.field_at(1, "From-Path")
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
        self.text("Message-ID")
    }

    /// Returns which octets the chunk carries; `None` where the field is absent.
    pub fn byte_range(&self) -> Result<Option<ByteRange>, HeaderError> {
        match self.value("Byte-Range") {
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
        self.value("Failure-Report")
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
        match self.kind {
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
        let Kind::Request(method) = &self.kind else {
            return Ok(());
        };
        if matches!(method, Method::Send | Method::Report) {
            if self.message_id().is_none_or(str::is_empty) {
                return Err(BadRequest::NoMessageId);
            }
            self.byte_range().map_err(|_| BadRequest::ByteRange)?;
        }
        if *method == Method::Send {
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
            .value("Failure-Report")
            .is_none_or(|value| FailureReport::parse(value).is_ok());
        match success && failure {
            true => Ok(()),
            false => Err(BadRequest::ReportPreference),
        }
    }

    fn span(&self, name: &str) -> Option<Span> {
        let wanted = |field: &&Field| {
            let span = field.name;
            span.range().len() == name.len()
                && self.raw[span.range()].eq_ignore_ascii_case(name.as_bytes())
        };
        self.fields.iter().find(wanted).map(|field| field.value)
    }

    fn field_at(&self, index: usize, name: &str) -> Option<&[u8]> {
        let field = self.fields.get(index)?;
        let is_it = self.raw[field.name.range()].eq_ignore_ascii_case(name.as_bytes());
        is_it.then(|| &self.raw[field.value.range()])
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw && self.has_body == other.has_body
    }
}

impl Eq for Head {}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("text", &String::from_utf8_lossy(&self.raw))
            .field("has_body", &self.has_body)
            .finish()
    }
}

/// Builds a head field by field.
#[derive(Clone, Debug)]
pub struct HeadBuilder {
    text: BytesMut,
}

impl HeadBuilder {
    /// Opens a request. `to` and `from` are paths in their wire form.
    pub fn request(id: &str, method: &Method, to: &str, from: &str) -> Self {
        let mut text = BytesMut::with_capacity(256);
        encoding::put_request(
            &mut text,
            id.as_bytes(),
            method,
            to.as_bytes(),
            from.as_bytes(),
        );
        Self { text }
    }

    /// Opens a response with the usual comment for `code`.
    pub fn response(id: &str, code: u16, to: &str, from: &str) -> Self {
        let mut text = BytesMut::with_capacity(256);
        encoding::put_response_head(
            &mut text,
            id.as_bytes(),
            code,
            to.as_bytes(),
            from.as_bytes(),
        );
        Self { text }
    }

    /// Appends a field. Line breaks inside `value` become spaces.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        encoding::put_field(&mut self.text, name, value.as_ref());
        self
    }

    /// Closes the head. Errors: what a decoder would say of these octets.
    pub fn build(self, has_body: bool) -> Result<Head, DecodeError> {
        let raw = self.text.freeze();
        if raw.len() > MAX_HEAD {
            return Err(DecodeError::HeadTooLong { limit: MAX_HEAD });
        }
        let ends: SmallVec<[u16; 12]> = memchr::memchr_iter(b'\n', &raw)
            .map(|at| Span::of(at, at + 1).end)
            .collect();
        Head::index(raw, &ends, has_body)
    }
}

fn parse_path(text: Option<&[u8]>) -> Result<Path, BadRequest> {
    let text = text.ok_or(BadRequest::PathOrder)?;
    let text = std::str::from_utf8(text).map_err(|_| BadRequest::Path)?;
    Path::parse(text).map_err(|_| BadRequest::Path)
}

fn field(raw: &[u8], start: usize, end: usize) -> Result<Field, DecodeError> {
    let line = &raw[start..end];
    let colon = memchr::memchr(b':', line).ok_or(DecodeError::BadHeader)?;
    let name = &line[..colon];
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(DecodeError::BadHeader);
    }
    let value = &line[colon + 1..];
    let lead = value.len() - value.trim_ascii_start().len();
    let length = value.trim_ascii().len();
    let value_start = start + colon + 1 + lead;
    Ok(Field {
        name: Span::of(start, start + colon),
        value: Span::of(value_start, value_start + length),
    })
}
