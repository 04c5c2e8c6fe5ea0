//! What is left to answer a message with that cannot be read.
use super::{Limits, Message, Method, Name, lex};

/// A longer piece of a bad message is not searched.
const SEARCHED: usize = 64 * 1024;

impl Message {
    /// Finds in unreadable octets what a response needs: Via, From, To, Call-ID and CSeq.
    ///
    /// The result is a request with nothing but these, made to be handed to
    /// [`Builder::response`](super::Builder::response) with [`status`](super::ParseError::status).
    /// `None` if one of them is missing or malformed, and for what must never be answered: a
    /// response, or an ACK.
    pub fn salvage(octets: &[u8], limits: &Limits) -> Option<Self> {
        let octets = &octets[..octets.len().min(SEARCHED)];
        let mut lines = octets
            .split(|octet| *octet == b'\n')
            .map(without_cr)
            .peekable();
        let start = lines.find(|line| !line.is_empty())?;
        if start
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"))
        {
            return None;
        }
        let mut fields = Vec::new();
        while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
            let mut line = line.to_vec();
            while let Some(more) =
                lines.next_if(|next| next.starts_with(b" ") || next.starts_with(b"\t"))
            {
                line.extend_from_slice(b" ");
                line.extend_from_slice(more.trim_ascii());
            }
            fields.extend(needed(line));
        }
        rebuild(&fields, limits)
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn needed(line: Vec<u8>) -> Option<(Name, Vec<u8>)> {
    const NEEDED: [Name; 5] = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
    let (name, value) = line.split_at(line.iter().position(|octet| *octet == b':')?);
    let name = Name::from_bytes(name.trim_ascii_end());
    let is_clean = !value.contains(&b'\r') && !value.contains(&0);
    let is_needed = NEEDED.contains(&name) && is_clean;
    is_needed.then(|| (name, value[1..].trim_ascii().to_vec()))
}

fn rebuild(fields: &[(Name, Vec<u8>)], limits: &Limits) -> Option<Message> {
    let cseq = fields.iter().find(|(name, _)| *name == Name::CSeq)?;
    let cseq = super::CSeq::parse(std::str::from_utf8(&cseq.1).ok()?).ok()?;
    let mut octets = format!("{} sip:unreadable.invalid SIP/2.0\r\n", cseq.method).into_bytes();
    for (name, value) in fields {
        octets.extend_from_slice(format!("{name}: ").as_bytes());
        octets.extend_from_slice(value);
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b"\r\n");
    let message = Message::parse(octets.into(), limits).ok()?;
    let is_answerable = cseq.method != Method::Ack
        && message.via().is_ok()
        && message.from().is_ok()
        && message.to().is_ok()
        && lex::is_token(cseq.method.as_str().as_bytes())
        && !message.call_id().is_empty();
    is_answerable.then_some(message)
}
