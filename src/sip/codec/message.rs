//! A SIP message: its octets, and an index of where things are in them.
use super::{
    Limits, Method, Name, ParseError, Uri,
    index::{ContentLength, Field, Index, Start},
    lex,
};
use bytes::Bytes;
use std::{borrow::Cow, fmt, sync::Arc};

/// A SIP request or response.
///
/// Nothing is copied or interpreted until it is asked for, and what is not understood stays as it
/// came, byte for byte. A clone is a count. A message keeps the whole buffer alive it was read
/// into; see [`detached`](Self::detached).
#[derive(Clone)]
pub struct Message(Arc<Inner>);

pub(super) struct Inner {
    pub octets: Bytes,
    pub body: Bytes,
    pub index: Index,
}

impl Message {
    /// Reads one datagram.
    ///
    /// Octets behind the body that Content-Length announces are dropped; without Content-Length
    /// the body is all that follows the head (RFC 3261 §18.3). Only the structure is looked at:
    /// [`validate`](super::validate) says whether the message obeys the rest of the grammar.
    /// Errors: `Truncated` if the datagram ends before its body does; the others name what is
    /// malformed or which limit is exceeded.
    ///
    /// ```
    /// # use restante::sip::codec::{Limits, Message, Method, Name};
    /// let octets = "OPTIONS sip:bob@biloxi.com SIP/2.0\r\ni: 1@atlanta.com\r\n\r\n";
    /// let message = Message::parse(octets.into(), &Limits::default())?;
    /// assert_eq!(message.method(), Some(Method::Options));
    /// assert_eq!(message.value(Name::CallId).as_deref(), Some("1@atlanta.com"));
    /// # Ok::<(), restante::sip::codec::ParseError>(())
    /// ```
    pub fn parse(datagram: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        let blank = datagram
            .iter()
            .take_while(|octet| matches!(octet, b'\r' | b'\n'))
            .count();
        let octets = datagram.slice(blank..);
        if octets.is_empty() {
            return Err(ParseError::Empty);
        }
        let index = Index::of(&octets, limits)?;
        let present = octets.len() - index.head;
        let body = match index.announced(limits)? {
            Some(announced) if announced > present => {
                return Err(ParseError::Truncated { announced, present });
            }
            Some(announced) => announced,
            None if present > limits.body() => {
                let limit = limits.body();
                return Err(ParseError::BodyTooLong { limit });
            }
            None => present,
        };
        let end = index.head + body;
        Ok(Self::from_parts(octets.slice(..end), index))
    }

    /// `octets` are exactly one message, `index` is theirs.
    pub(super) fn from_parts(octets: Bytes, index: Index) -> Self {
        let body = octets.slice(index.head..);
        Self(Arc::new(Inner {
            octets,
            body,
            index,
        }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The same message in a buffer of its own, so that it does not keep a large one alive.
    pub fn detached(&self) -> Self {
        let octets = Bytes::copy_from_slice(&self.0.octets);
        Self::from_parts(octets, self.0.index.clone())
    }

    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.0.index.start, Start::Request { .. })
    }

    /// The method: of a request its own, of a response the one of its CSeq.
    pub fn method(&self) -> Option<Method> {
        match &self.0.index.start {
            Start::Request { method, .. } => Some(method.clone()),
            Start::Response { .. } => self.cseq().ok().map(|cseq| cseq.method),
        }
    }

    /// Whether this is a request of that method.
    pub fn is(&self, expected: &Method) -> bool {
        matches!(&self.0.index.start, Start::Request { method, .. } if method == expected)
    }

    /// The Request-URI as it came; empty for a response.
    pub fn uri_text(&self) -> &str {
        match &self.0.index.start {
            Start::Request { uri, .. } => self.text_at(uri.start, uri.end),
            Start::Response { .. } => "",
        }
    }

    /// The Request-URI. A response has none: `Uri`.
    pub fn uri(&self) -> Result<Uri, super::SyntaxError> {
        match self.is_request() {
            true => Uri::parse(self.uri_text()),
            false => Err(super::SyntaxError::Uri),
        }
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        match self.0.index.start {
            Start::Response { code, .. } => Some(code),
            Start::Request { .. } => None,
        }
    }

    /// The reason phrase of a response; empty for a request, or if it is not UTF-8.
    pub fn reason(&self) -> &str {
        match &self.0.index.start {
            Start::Response { reason, .. } => self.text_at(reason.start, reason.end),
            Start::Request { .. } => "",
        }
    }

    /// The protocol and its version, `SIP/2.0` in every message one should answer.
    pub fn version(&self) -> &str {
        match &self.0.index.start {
            Start::Request { version, .. } | Start::Response { version, .. } => {
                self.text_at(version.start, version.end)
            }
        }
    }

    fn text_at(&self, from: u32, to: u32) -> &str {
        std::str::from_utf8(&self.0.octets[from as usize..to as usize]).unwrap_or("")
    }

    pub(super) fn fields_named(&self, name: Name) -> impl Iterator<Item = &Field> {
        self.0
            .index
            .fields
            .iter()
            .filter(move |field| field.name == name)
    }

    /// Whether there is a header of this name.
    pub fn has(&self, name: Name) -> bool {
        self.fields_named(name).next().is_some()
    }

    /// The value of the first field of this name: continuation lines joined, white space around
    /// it trimmed. Octets that are not UTF-8 are replaced; [`raw`](Self::raw) has them.
    pub fn value(&self, name: Name) -> Option<Cow<'_, str>> {
        self.fields_named(name).next().map(|field| self.text(field))
    }

    /// The values of all fields of this name, one for each field, as [`value`](Self::value) has
    /// them.
    pub fn values(&self, name: Name) -> impl Iterator<Item = Cow<'_, str>> {
        self.fields_named(name).map(|field| self.text(field))
    }

    /// The octets of the first value of this name, trimmed but not unfolded.
    pub fn raw(&self, name: Name) -> Option<&[u8]> {
        let field = self.fields_named(name).next()?;
        Some(&self.0.octets[field.value_range()])
    }

    /// The elements of all fields of this name, cut at commas outside of quotes and angle
    /// brackets. Empty elements are left out. Not for headers whose values hold commas
    /// themselves, such as Date or Authorization.
    pub fn list(&self, name: Name) -> Vec<Cow<'_, str>> {
        let mut elements = self.elements(name);
        elements.retain(|element| !element.is_empty());
        elements
    }

    // as `list`, with the empty ones
    pub(super) fn elements(&self, name: Name) -> Vec<Cow<'_, str>> {
        let mut elements = Vec::new();
        for value in self.values(name) {
            match value {
                Cow::Borrowed(text) => elements.extend(lex::split(text, b',').map(Cow::Borrowed)),
                Cow::Owned(text) => {
                    elements.extend(lex::split(&text, b',').map(|e| Cow::Owned(e.to_owned())));
                }
            }
        }
        elements
    }

    /// The first value of the header with this name, whether we know the name or not.
    pub fn other(&self, name: &str) -> Option<Cow<'_, str>> {
        self.others(name).next()
    }

    /// The values of all fields with this name, whether we know the name or not.
    pub fn others(&self, name: &str) -> impl Iterator<Item = Cow<'_, str>> {
        let known = Name::from_bytes(name.as_bytes());
        let is_it = move |field: &&Field| {
            field.name == known
                && (known != Name::Other
                    || self.0.octets[field.name_range()].eq_ignore_ascii_case(name.as_bytes()))
        };
        let fields = self.0.index.fields.iter().filter(is_it);
        fields.map(|field| self.text(field))
    }

    /// All header fields in their order: the name as it came, which name that is, and the value
    /// as it came without the white space around it.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], Name, &[u8])> {
        let octets = &self.0.octets;
        let part = move |field: &Field| {
            let (name, value) = (&octets[field.name_range()], &octets[field.value_range()]);
            (name, field.name, value)
        };
        self.0.index.fields.iter().map(part)
    }

    pub(super) fn text(&self, field: &Field) -> Cow<'_, str> {
        let octets = &self.0.octets[field.value_range()];
        match std::str::from_utf8(octets) {
            Ok(text) if !field.folded => Cow::Borrowed(text),
            Ok(text) => Cow::Owned(unfold(text)),
            Err(_) => Cow::Owned(unfold(&String::from_utf8_lossy(octets))),
        }
    }

    /// The body. May be binary, or of several parts.
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The whole message as it goes over the wire.
    pub fn octets(&self) -> &Bytes {
        &self.0.octets
    }

    /// Whether the message says how long its body is.
    pub(super) fn content_length(&self) -> ContentLength {
        self.0.index.content_length
    }

    /// Whether the request line has spaces where none may be.
    pub(super) fn has_loose_start(&self) -> bool {
        matches!(self.0.index.start, Start::Request { loose: true, .. })
    }
}

// a line end and the white space around it stand for one space (RFC 3261 §7.3.1)
fn unfold(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.split("\r\n") {
        let line = line.trim_matches([' ', '\t']);
        if !joined.is_empty() && !line.is_empty() {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    joined
}

/// Two messages are equal if their octets are.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.0.octets == other.0.octets
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?})", self.0.octets)
    }
}
