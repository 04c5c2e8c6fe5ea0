//! The first line of a request or response.
use super::DecodeError;
use std::ops::Range;

/// What the start line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A request and its method.
    Request(Method<'a>),
    /// A response: status code and comment.
    Response {
        /// Three digits.
        code: u16,
        /// What a person may read; may be empty.
        comment: &'a [u8],
    },
}

/// The method of a request. Unknown ones keep their octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'a> {
    /// Carries content (RFC 4975 §7.1.1).
    Send,
    /// Tells the fate of content; is never answered (RFC 4975 §7.1.2).
    Report,
    /// Asks a relay for a URI (RFC 4976 §5.1).
    Auth,
    /// Reserves a nickname (RFC 7701 §7).
    Nickname,
    /// Any other word of capital letters.
    Other(&'a [u8]),
}

impl<'a> Method<'a> {
    /// Returns the word on the wire.
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Send => b"SEND",
            Self::Report => b"REPORT",
            Self::Auth => b"AUTH",
            Self::Nickname => b"NICKNAME",
            Self::Other(word) => word,
        }
    }
}

const MARK: &[u8] = b"MSRP ";
/// What makes an octet one of an `ident`, as a table: it is asked for every octet of an id.
const IDENT: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0_u8;
    while octet < 128 {
        table[octet as usize] =
            octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'+' | b'%' | b'=');
        octet += 1;
    }
    table
};

/// What a start line says, without its words: those stay in the line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StartLine {
    id_length: u8,
    says: Says,
}

#[derive(Clone, Copy, Debug, Default)]
enum Says {
    #[default]
    Send,
    Report,
    Auth,
    Nickname,
    Other,
    Response(u16),
}

impl StartLine {
    /// Reads a start line, given without its CRLF.
    ///
    /// Shape: `pMSRP SP transact-id SP ( method / status-code [SP comment] )`
    ///
    /// An id of any length up to 64 octets is taken, not only the 4 to 32 of the grammar: its
    /// length is the sender's risk, and refusing it would cost the whole stream.
    pub(super) fn read(line: &[u8]) -> Result<Self, DecodeError> {
        let bad = DecodeError::BadStartLine;
        let after_mark = line.strip_prefix(MARK).ok_or(bad.clone())?;
        let id = after_mark
            .iter()
            .take_while(|octet| IDENT[usize::from(**octet)])
            .count();
        let rest = match after_mark.get(id) {
            Some(b' ') if (1..=64).contains(&id) => &after_mark[id + 1..],
            _ => return Err(bad),
        };
        let says = match rest {
            b"SEND" => Says::Send,
            b"REPORT" => Says::Report,
            b"AUTH" => Says::Auth,
            b"NICKNAME" => Says::Nickname,
            [digit, ..] if digit.is_ascii_digit() => Says::Response(code(rest).ok_or(bad)?),
            word if !word.is_empty() && word.iter().all(u8::is_ascii_uppercase) => Says::Other,
            _ => return Err(bad),
        };
        Ok(Self {
            id_length: id as u8,
            says,
        })
    }

    /// Where the transaction id stands.
    pub(super) fn id(self) -> Range<usize> {
        MARK.len()..MARK.len() + usize::from(self.id_length)
    }

    pub(super) fn is_send(self) -> bool {
        matches!(self.says, Says::Send)
    }

    /// Returns what `line` says: the one that was read, without its CRLF.
    pub(super) fn kind(self, line: &[u8]) -> Kind<'_> {
        let rest = &line[self.id().end + 1..];
        Kind::Request(match self.says {
            Says::Send => Method::Send,
            Says::Report => Method::Report,
            Says::Auth => Method::Auth,
            Says::Nickname => Method::Nickname,
            Says::Other => Method::Other(rest),
            Says::Response(code) => {
                let comment = rest.get(4..).unwrap_or_default();
                return Kind::Response { code, comment };
            }
        })
    }
}

/// `status-code [SP comment]`
fn code(rest: &[u8]) -> Option<u16> {
    let digits = rest.get(..3)?;
    let fits = matches!(rest.get(3), None | Some(b' ')) && digits.iter().all(u8::is_ascii_digit);
    fits.then(|| {
        digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'))
    })
}
