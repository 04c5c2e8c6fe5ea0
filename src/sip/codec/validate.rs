//! Whether a readable message obeys the grammar (RFC 3261 §25, the cases of RFC 4475 §3.1.2).
use super::{ContentLength, HeaderError, Message, Method, Name, NameAddr, SyntaxError, Uri, Via};

/// What is wrong with a message whose structure could be read.
///
/// A request is answered with [`status`](Self::status); a response is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The protocol version is not `SIP/2.0`.
    #[error("not SIP/2.0")]
    Version,
    /// Spaces where none may be in the request line.
    #[error("spaces around the parts of the request line")]
    RequestLine,
    /// The Request-URI is malformed.
    #[error("Request-URI: {0}")]
    RequestUri(SyntaxError),
    /// The Request-URI has headers, which is not allowed there (RFC 3261 §19.1.1).
    #[error("Request-URI with headers")]
    RequestUriHeaders,
    /// A header is missing or malformed.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A header that may be there once is there twice.
    #[error("more than one {0}")]
    Repeated(Name),
    /// The CSeq names another method than the request line.
    #[error("method and CSeq differ")]
    MethodMismatch,
    /// The same, with a method we do not know (RFC 4475 §3.1.2.18).
    #[error("unknown method, and the CSeq differs")]
    UnknownMethodMismatch,
    /// The branch of the topmost Via is the magic cookie and nothing more (RFC 4475 §3.2.1).
    #[error("branch without an identifier")]
    Branch,
}

impl Invalid {
    /// The status a request with this fault is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Version => 505,
            Self::UnknownMethodMismatch => 501,
            _ => 400,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::RequestLine => "request_line",
            Self::RequestUri(_) | Self::RequestUriHeaders => "request_uri",
            Self::Header(HeaderError::Missing(_)) => "header_missing",
            Self::Header(HeaderError::Malformed { .. }) => "header_malformed",
            Self::Repeated(_) => "header_repeated",
            Self::MethodMismatch | Self::UnknownMethodMismatch => "method_mismatch",
            Self::Branch => "branch",
        }
    }
}

/// Checks what every element must be able to rely on before it acts on a message.
///
/// The start line, the headers without which there is no transaction (Via, From, To, Call-ID,
/// CSeq), headers that may not be repeated, and the addresses in the headers that route. Whether a
/// method, a URI scheme or an extension is supported is for the element that acts: see
/// [`Capabilities`](super::Capabilities).
/// Source: RFC 3261 §8.1.1, §25; RFC 4475 §3.1.2 and §3.3.
pub fn validate(message: &Message) -> Result<(), Invalid> {
    if !message.version().eq_ignore_ascii_case("SIP/2.0") {
        return Err(Invalid::Version);
    }
    check_single(message)?;
    if message.is_request() {
        check_request_line(message)?;
    }
    check_transaction(message)?;
    check_addresses(message)?;
    check_values(message)
}

fn check_request_line(message: &Message) -> Result<(), Invalid> {
    if message.has_loose_start() {
        return Err(Invalid::RequestLine);
    }
    match message.uri().map_err(Invalid::RequestUri)? {
        Uri::Sip(uri) if !uri.headers.is_empty() => Err(Invalid::RequestUriHeaders),
        _ => Ok(()),
    }
}

fn check_single(message: &Message) -> Result<(), Invalid> {
    let mut seen = [false; 256];
    for (_, name, _) in message.fields() {
        let seen = &mut seen[name as usize];
        if *seen && name.is_single() {
            return Err(Invalid::Repeated(name));
        }
        *seen = true;
    }
    match message.content_length() {
        ContentLength::Unusable => Err(malformed(Name::ContentLength, SyntaxError::Number)),
        _ => Ok(()),
    }
}

fn check_transaction(message: &Message) -> Result<(), Invalid> {
    if !message.has(Name::Via) {
        return Err(HeaderError::Missing(Name::Via).into());
    }
    let vias = message.vias()?;
    if vias.first().and_then(Via::branch) == Some(Via::MAGIC_COOKIE) {
        return Err(Invalid::Branch);
    }
    message.from()?;
    message.to()?;
    let call_id = message
        .value(Name::CallId)
        .ok_or(HeaderError::Missing(Name::CallId))?;
    if call_id.is_empty() || !call_id.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(malformed(Name::CallId, SyntaxError::Token));
    }
    let cseq = message.cseq()?;
    match message.method() {
        Some(method) if !message.is_request() || method == cseq.method => Ok(()),
        Some(Method::Other(_)) => Err(Invalid::UnknownMethodMismatch),
        _ => Err(Invalid::MethodMismatch),
    }
}

fn check_addresses(message: &Message) -> Result<(), Invalid> {
    message.contacts()?;
    let routing = [
        Name::Route,
        Name::RecordRoute,
        Name::Path,
        Name::ServiceRoute,
    ];
    for name in routing {
        message.addresses(name)?;
    }
    let single = [Name::ReplyTo, Name::ReferTo, Name::ReferredBy];
    for name in single.into_iter().filter(|name| message.has(*name)) {
        let value = message.value(name).unwrap_or_default();
        NameAddr::parse(&value).map_err(|problem| malformed(name, problem))?;
    }
    Ok(())
}

fn check_values(message: &Message) -> Result<(), Invalid> {
    // Date is always GMT (RFC 3261 §20.17, RFC 4475 §3.1.2.12)
    if message
        .value(Name::Date)
        .is_some_and(|date| !date.ends_with(" GMT"))
    {
        return Err(malformed(Name::Date, SyntaxError::Token));
    }
    let numbers = [Name::MaxForwards, Name::MinExpires];
    for name in numbers {
        let is_number =
            |value: &str| !value.is_empty() && value.bytes().all(|o| o.is_ascii_digit());
        if message.value(name).is_some_and(|value| !is_number(&value)) {
            return Err(malformed(name, SyntaxError::Number));
        }
    }
    if message.has(Name::ContentType) && message.content_type().is_none() {
        return Err(malformed(Name::ContentType, SyntaxError::MediaType));
    }
    Ok(())
}

fn malformed(name: Name, problem: SyntaxError) -> Invalid {
    Invalid::Header(HeaderError::Malformed { name, problem })
}
