//! The headers every layer asks for, as values.
use super::{
    CSeq, Contacts, HeaderError, MediaType, Message, Name, NameAddr, SyntaxError, Via, lex,
};
use std::borrow::Cow;

impl Message {
    /// The topmost Via.
    pub fn via(&self) -> Result<Via, HeaderError> {
        let value = self.required(Name::Via)?;
        let first = lex::split(&value, b',').next().unwrap_or("");
        Via::parse(first).map_err(|problem| malformed(Name::Via, problem))
    }

    /// All Via values, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.parse_list(Name::Via, Via::parse)
    }

    /// Who the request says it is from.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.address(Name::From)
    }

    /// Whom the request is meant for.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.address(Name::To)
    }

    /// The first value of a header that holds an address.
    pub fn address(&self, name: Name) -> Result<NameAddr, HeaderError> {
        let value = self.required(name)?;
        NameAddr::parse(&value).map_err(|problem| malformed(name, problem))
    }

    /// The addresses of Route, Record-Route, Path, P-Asserted-Identity and their kind; empty if
    /// there is no such header.
    pub fn addresses(&self, name: Name) -> Result<Vec<NameAddr>, HeaderError> {
        self.parse_list(name, NameAddr::parse)
    }

    /// Call-ID; empty if there is none.
    pub fn call_id(&self) -> Cow<'_, str> {
        self.value(Name::CallId).unwrap_or_default()
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        let value = self.required(Name::CSeq)?;
        CSeq::parse(&value).map_err(|problem| malformed(Name::CSeq, problem))
    }

    /// The Contact values.
    ///
    /// Errors: `Malformed` with `Brackets` if `*` stands beside others.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut fields = self.values(Name::Contact);
        if let (Some("*"), None) = (fields.next().as_deref(), fields.next()) {
            return Ok(Contacts::Star);
        }
        self.parse_list(Name::Contact, NameAddr::parse)
            .map(Contacts::List)
    }

    /// Expires in seconds. One that is no number that fits counts as 3600 (RFC 3261 §20.19,
    /// RFC 4475 §3.1.2.4).
    pub fn expires(&self) -> Option<u32> {
        let value = self.value(Name::Expires)?;
        Some(value.parse().unwrap_or(3600))
    }

    /// Retry-After in seconds; one that begins with no number counts as absent (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.value(Name::RetryAfter)?;
        let end = value.find(|octet: char| !octet.is_ascii_digit());
        value[..end.unwrap_or(value.len())].parse().ok()
    }

    /// Max-Forwards. One that is no number below 256 counts as absent (RFC 4475 §3.1.2.4).
    pub fn max_forwards(&self) -> Option<u8> {
        self.value(Name::MaxForwards)?.parse().ok()
    }

    /// Content-Type, if it is there and well formed.
    pub fn content_type(&self) -> Option<MediaType> {
        MediaType::parse(&self.value(Name::ContentType)?).ok()
    }

    fn required(&self, name: Name) -> Result<Cow<'_, str>, HeaderError> {
        self.value(name).ok_or(HeaderError::Missing(name))
    }

    fn parse_list<T>(
        &self,
        name: Name,
        parse: impl Fn(&str) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, HeaderError> {
        let elements = self.elements(name);
        let parse = |element: &Cow<'_, str>| match element.is_empty() {
            true => Err(SyntaxError::EmptyElement),
            false => parse(element),
        };
        let values: Result<_, _> = elements.iter().map(parse).collect();
        values.map_err(|problem| malformed(name, problem))
    }
}

pub(super) fn malformed(name: Name, problem: SyntaxError) -> HeaderError {
    HeaderError::Malformed { name, problem }
}
