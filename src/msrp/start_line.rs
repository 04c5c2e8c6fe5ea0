//! The first line of a request or response.
use super::DecodeError;
use bytes::Bytes;
use std::ops::Range;

/// What the start line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request and its method.
    Request(Method),
    /// A response: status code and comment.
    Response {
        /// Three digits.
        code: u16,
        /// What a person may read; may be empty.
        comment: Bytes,
    },
}

/// The method of a request. Unknown ones keep their octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Carries content (RFC 4975 §7.1.1).
    Send,
    /// Tells the fate of content; is never answered (RFC 4975 §7.1.2).
    Report,
    /// Asks a relay for a URI (RFC 4976 §5.1).
    Auth,
    /// Reserves a nickname (RFC 7701 §7).
    Nickname,
    /// Any other word of capital letters.
    Other(Bytes),
}

impl Method {
    /// Returns the word on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Send => b"SEND",
            Self::Report => b"REPORT",
            Self::Auth => b"AUTH",
            Self::Nickname => b"NICKNAME",
            Self::Other(word) => word,
        }
    }

    fn from_bytes(word: Bytes) -> Option<Self> {
        Some(match word.as_ref() {
            b"SEND" => Self::Send,
            b"REPORT" => Self::Report,
            b"AUTH" => Self::Auth,
            b"NICKNAME" => Self::Nickname,
            other if !other.is_empty() && other.iter().all(u8::is_ascii_uppercase) => {
                Self::Other(word)
            }
            _ => return None,
        })
    }
}

/// Reads the first `end` octets of a head.
///
/// Shape: `pMSRP SP transact-id SP ( method / status-code [SP comment] )`
///
/// An id of any length up to 64 octets is taken, not only the 4 to 32 of the grammar: its
/// length is the sender's risk, and refusing it would cost the whole stream.
pub(super) fn read(raw: &Bytes, end: usize) -> Result<(Range<usize>, Kind), DecodeError> {
    const MARK: &[u8] = b"MSRP ";
    let line = &raw[..end];
    if !line.starts_with(MARK) {
        return Err(DecodeError::BadStartLine);
    }
    let space = memchr::memchr(b' ', &line[MARK.len()..]).ok_or(DecodeError::BadStartLine)?;
    let id = MARK.len()..MARK.len() + space;
    if !(1..=64).contains(&id.len()) || !line[id.clone()].iter().all(|octet| is_ident(*octet)) {
        return Err(DecodeError::BadStartLine);
    }
    let rest = raw.slice(id.end + 1..end);
    let kind = match rest.first() {
        Some(digit) if digit.is_ascii_digit() => response(rest)?,
        _ => Method::from_bytes(rest)
            .map(Kind::Request)
            .ok_or(DecodeError::BadStartLine)?,
    };
    Ok((id, kind))
}

fn response(rest: Bytes) -> Result<Kind, DecodeError> {
    let digits = rest.get(..3).ok_or(DecodeError::BadStartLine)?;
    let comment = match rest.get(3) {
        None => Bytes::new(),
        Some(b' ') => rest.slice(4..),
        Some(_) => return Err(DecodeError::BadStartLine),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::BadStartLine);
    }
    let code = digits
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    Ok(Kind::Response { code, comment })
}

fn is_ident(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'+' | b'%' | b'=')
}
