//! Whether an element can do what a valid request asks (RFC 3261 §8.2.1 to §8.2.3).
use super::{Builder, Message, Method, Name};

/// What an element understands.
#[derive(Clone, Debug)]
pub struct Capabilities<'a> {
    /// Methods, for Allow.
    pub methods: &'a [Method],
    /// URI schemes of the Request-URI, in lower case.
    pub schemes: &'a [&'a str],
    /// Extensions it supports, for Require.
    pub extensions: &'a [&'a str],
    /// Media types of bodies, `type/subtype` or `type/*`; empty means any.
    pub content_types: &'a [&'a str],
    /// Media types it answers an INVITE with, of which Accept must allow one.
    pub answer_types: &'a [&'a str],
}

/// Why a valid request is refused by an element that does not understand it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// A method nobody knows: 501.
    #[error("unknown method")]
    Method,
    /// A method we know but do not serve here: 405.
    #[error("method not served here")]
    MethodHere,
    /// The scheme of the Request-URI: 416.
    #[error("URI scheme not understood")]
    Scheme,
    /// Extensions in Require: 420.
    #[error("extensions not supported: {}", .0.join(", "))]
    Extensions(Vec<String>),
    /// The type of the body: 415.
    #[error("body of a type not understood")]
    ContentType,
    /// No answer of a type that Accept allows: 406.
    #[error("no answer in a type the sender accepts")]
    Answer,
}

impl Unsupported {
    /// The status the request is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Method => 501,
            Self::MethodHere => 405,
            Self::Scheme => 416,
            Self::Extensions(_) => 420,
            Self::ContentType => 415,
            Self::Answer => 406,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Method => "method_unknown",
            Self::MethodHere => "method_not_allowed",
            Self::Scheme => "scheme",
            Self::Extensions(_) => "extension",
            Self::ContentType => "content_type",
            Self::Answer => "accept",
        }
    }
}

impl Capabilities<'_> {
    /// Looks at method, Request-URI, Require and body in the order of RFC 3261 §8.2.
    pub fn inspect(&self, request: &Message) -> Result<(), Unsupported> {
        match request.method() {
            Some(method) if self.methods.contains(&method) => {}
            Some(method) if method.is_known() => return Err(Unsupported::MethodHere),
            _ => return Err(Unsupported::Method),
        }
        let scheme = request
            .uri()
            .map(|uri| uri.scheme().into_owned())
            .unwrap_or_default();
        if !self.schemes.contains(&scheme.as_str()) {
            return Err(Unsupported::Scheme);
        }
        self.inspect_require(request)?;
        self.inspect_body(request)?;
        self.inspect_accept(request)
    }

    fn inspect_body(&self, request: &Message) -> Result<(), Unsupported> {
        if request.body().is_empty() || self.content_types.is_empty() {
            return Ok(());
        }
        let content_type = request.content_type().ok_or(Unsupported::ContentType)?;
        match self
            .content_types
            .iter()
            .any(|range| is_in_range(content_type.essence(), range))
        {
            true => Ok(()),
            false => Err(Unsupported::ContentType),
        }
    }

    // without Accept an INVITE is answered with SDP (RFC 3261 §20.1)
    fn inspect_accept(&self, request: &Message) -> Result<(), Unsupported> {
        if !request.is(&Method::Invite) || !request.has(Name::Accept) {
            return Ok(());
        }
        let ranges = request.list(Name::Accept);
        let accepted = |answer: &&str| {
            let range = |text: &str| text.split(';').next().unwrap_or("").trim().to_lowercase();
            ranges
                .iter()
                .any(|accept| is_in_range(answer, &range(accept)))
        };
        match self.answer_types.iter().any(accepted) {
            true => Ok(()),
            false => Err(Unsupported::Answer),
        }
    }

    // Require in CANCEL and ACK is ignored (RFC 3261 §8.2.2.3)
    fn inspect_require(&self, request: &Message) -> Result<(), Unsupported> {
        if request.is(&Method::Cancel) || request.is(&Method::Ack) {
            return Ok(());
        }
        let required = request.list(Name::Require).into_iter();
        let unknown: Vec<String> = required
            .filter(|option| {
                !self
                    .extensions
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(option))
            })
            .map(|option| option.into_owned())
            .collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Unsupported::Extensions(unknown)),
        }
    }

    /// The response that tells the sender what would have been understood.
    pub fn refuse(&self, request: &Message, refusal: &Unsupported) -> Builder {
        let response = Builder::response(request, refusal.status());
        match refusal {
            Unsupported::Method | Unsupported::MethodHere => {
                response.header(Name::Allow, self.allow())
            }
            Unsupported::Scheme | Unsupported::Answer => response,
            Unsupported::Extensions(unknown) => {
                response.header(Name::Unsupported, unknown.join(", "))
            }
            Unsupported::ContentType => {
                response.header(Name::Accept, self.content_types.join(", "))
            }
        }
    }

    /// The value of an Allow header.
    pub fn allow(&self) -> String {
        let names: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        names.join(", ")
    }
}

// `range` is `type/subtype`, `type/*` or `*/*` in lower case
fn is_in_range(essence: &str, range: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(main) => essence.split('/').next() == Some(main),
        None => essence.eq_ignore_ascii_case(range),
    }
}
