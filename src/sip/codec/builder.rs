//! Messages put together field by field.
use super::{
    Message, Method, Name, NameAddr, Via,
    edit::with_first,
    lex, status,
    writer::{StartLine, Writer},
};
use bytes::Bytes;
use std::fmt::Display;

/// Builds a request or a response.
///
/// Fields go out in the order they were given, Content-Type and Content-Length last. A line end
/// inside a value becomes a space, so no value can smuggle in a header.
///
/// ```
/// # use restante::sip::codec::{Builder, Method, Name};
/// let request = Builder::request(Method::Options, "sip:bob@biloxi.com")
///     .header(Name::MaxForwards, "70")
///     .build();
/// assert_eq!(
///     &request.octets()[..],
///     b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    start: StartLine,
    lines: Vec<Line>,
    content_type: Option<Bytes>,
    body: Bytes,
}

#[derive(Clone, Debug)]
struct Line {
    name: Name,
    /// Name of a header we do not know, or its letter case as it came.
    text: Option<Bytes>,
    value: Bytes,
}

impl Builder {
    /// A request without any header. White space in `uri` is dropped.
    pub fn request(method: Method, uri: impl Display) -> Self {
        let uri = one_word(&uri.to_string());
        Self::starting(StartLine::Request { method, uri })
    }

    /// A response to `request` with what RFC 3261 §8.2.6.2 wants copied: every Via, From, To,
    /// Call-ID and CSeq; Record-Route where the response creates a dialog (§12.1.1), Timestamp in
    /// a 100 (§8.2.6.1).
    pub fn response(request: &Message, code: u16) -> Self {
        let mut builder = Self::status(code);
        let creates_dialog = (101..300).contains(&code)
            && [
                Method::Invite,
                Method::Subscribe,
                Method::Refer,
                Method::Notify,
            ]
            .iter()
            .any(|method| request.is(method));
        builder = builder.copy(request, Name::Via);
        if creates_dialog {
            builder = builder.copy(request, Name::RecordRoute);
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            builder = builder.copy_first(request, name);
        }
        match code {
            100 => builder.copy_first(request, Name::Timestamp),
            _ => builder,
        }
    }

    /// Everything `message` has, to be changed and built again. Letter case and order of names
    /// stay; compact names too.
    pub fn from_message(message: &Message) -> Self {
        let mut builder = Self::starting(match message.code() {
            Some(code) => StartLine::Response {
                code,
                reason: message.reason().to_owned(),
            },
            None => StartLine::Request {
                method: message.method().unwrap_or(Method::Options),
                uri: message.uri_text().to_owned(),
            },
        });
        for (text, name, value) in message.fields() {
            match name {
                Name::ContentLength => {}
                Name::ContentType => builder.content_type = Some(unfolded(message, value)),
                _ => builder.lines.push(Line {
                    name,
                    text: Some(message.octets().slice_ref(text)),
                    value: unfolded(message, value),
                }),
            }
        }
        builder.body = message.body().clone();
        builder
    }

    /// A response without any header.
    pub(super) fn status(code: u16) -> Self {
        let reason = status::reason(code).to_owned();
        Self::starting(StartLine::Response { code, reason })
    }

    fn starting(start: StartLine) -> Self {
        Self {
            start,
            lines: Vec::with_capacity(16),
            content_type: None,
            body: Bytes::new(),
        }
    }

    /// Gives the request another Request-URI; nothing happens to a response. White space in `uri`
    /// is dropped.
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        if let StartLine::Request { uri: old, .. } = &mut self.start {
            *old = one_word(uri);
        }
        self
    }

    /// Gives the response another reason phrase; nothing happens to a request.
    #[must_use]
    pub fn reason(mut self, phrase: &str) -> Self {
        if let StartLine::Response { reason, .. } = &mut self.start {
            *reason = phrase.replace(['\r', '\n'], " ");
        }
        self
    }

    /// Gives the To of a response this tag, unless it has one.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        if let Some(to) = self.lines.iter_mut().find(|line| line.name == Name::To) {
            let text = String::from_utf8_lossy(&to.value);
            let has_tag = NameAddr::parse(&text).is_ok_and(|to| to.params.contains("tag"));
            if !has_tag && lex::is_token(tag.as_bytes()) {
                to.value = format!("{text};tag={tag}").into();
            }
        }
        self
    }

    /// Puts `via` in place of the topmost Via; nothing happens where there is none.
    #[must_use]
    pub fn top_via(mut self, via: &Via) -> Self {
        if let Some(top) = self.lines.iter_mut().find(|line| line.name == Name::Via) {
            let old = String::from_utf8_lossy(&top.value);
            top.value = with_first(&old, via).into();
        }
        self
    }

    /// Adds a header after those that are there. Content-Length is left to [`build`](Self::build).
    #[must_use]
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        match name {
            Name::ContentLength | Name::Other => {}
            Name::ContentType => self.content_type = Some(clean(value.as_ref())),
            _ => self.lines.push(Line {
                name,
                text: None,
                value: clean(value.as_ref()),
            }),
        }
        self
    }

    /// Adds a header by its text name, whether we know it or not. One whose name is no token is
    /// left out.
    #[must_use]
    pub fn other(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        match Name::from_bytes(name.as_bytes()) {
            Name::Other if !lex::is_token(name.as_bytes()) => {}
            Name::Other => self.lines.push(Line {
                name: Name::Other,
                text: Some(Bytes::copy_from_slice(name.as_bytes())),
                value: clean(value.as_ref()),
            }),
            known => return self.header(known, value),
        }
        self
    }

    /// Adds a header whose value is shown by its `Display`: an address, a Via, a number.
    #[must_use]
    pub fn value(self, name: Name, value: impl Display) -> Self {
        self.header(name, value.to_string())
    }

    /// Adds a header before those that are there: a Via, a Route.
    #[must_use]
    pub fn prepend(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        let line = Line {
            name,
            text: None,
            value: clean(value.as_ref()),
        };
        self.lines.insert(0, line);
        self
    }

    /// Puts `value` in place of every header of this name, or adds it.
    #[must_use]
    pub fn replace(mut self, name: Name, value: impl AsRef<[u8]>) -> Self {
        let Some(at) = self.lines.iter().position(|line| line.name == name) else {
            return self.header(name, value);
        };
        self.lines[at].value = clean(value.as_ref());
        let mut place = 0;
        self.lines.retain(|line| {
            place += 1;
            line.name != name || place - 1 == at
        });
        self
    }

    /// Takes every header of this name away.
    #[must_use]
    pub fn remove(mut self, name: Name) -> Self {
        self.lines.retain(|line| line.name != name);
        if name == Name::ContentType {
            self.content_type = None;
        }
        self
    }

    /// Copies all fields of this name, in their order, without copying their octets.
    #[must_use]
    pub fn copy(mut self, message: &Message, name: Name) -> Self {
        let fields = message.fields().filter(|(_, found, _)| *found == name);
        for (_, name, value) in fields {
            match name {
                Name::ContentLength | Name::Other => {}
                Name::ContentType => self.content_type = Some(unfolded(message, value)),
                _ => self.lines.push(Line {
                    name,
                    text: None,
                    value: unfolded(message, value),
                }),
            }
        }
        self
    }

    fn copy_first(mut self, message: &Message, name: Name) -> Self {
        self.lines.extend(message.raw(name).map(|value| Line {
            name,
            text: None,
            value: unfolded(message, value),
        }));
        self
    }

    /// Gives the message this body.
    #[must_use]
    pub fn body(mut self, content_type: impl AsRef<[u8]>, body: impl Into<Bytes>) -> Self {
        self.content_type = Some(clean(content_type.as_ref()));
        self.body = body.into();
        self
    }

    /// Gives the message this body and leaves Content-Type as it is.
    #[must_use]
    pub(super) fn payload(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Writes the message.
    pub fn build(self) -> Message {
        let size: usize = self.lines.iter().map(|line| line.value.len() + 32).sum();
        let mut writer = Writer::starting(
            self.start,
            size + self.body.len() + 128,
            self.lines.len() + 2,
        );
        for line in &self.lines {
            let text = line
                .text
                .as_deref()
                .unwrap_or(line.name.as_str().as_bytes());
            writer.field(line.name, text, &line.value);
        }
        if let Some(content_type) = &self.content_type {
            writer.field(Name::ContentType, b"Content-Type", content_type);
        }
        writer.finish(&self.body)
    }
}

/// `text` without white space and control characters.
pub(super) fn one_word(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect()
}

// a value that stays on its line
fn clean(value: &[u8]) -> Bytes {
    let value = value.trim_ascii();
    if !value.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return Bytes::copy_from_slice(value);
    }
    let on_one_line = |octet: &u8| {
        if matches!(octet, b'\r' | b'\n') {
            b' '
        } else {
            *octet
        }
    };
    value.iter().map(on_one_line).collect()
}

// a value of `message` as a slice of its octets, or a copy on one line
fn unfolded(message: &Message, value: &[u8]) -> Bytes {
    if value.contains(&b'\r') {
        clean(value)
    } else {
        message.octets().slice_ref(value)
    }
}
