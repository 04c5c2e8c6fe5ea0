//! `multipart/*`: several bodies in one, any octets in each (RFC 2046 §5.1).
use super::MultipartError;
use crate::syntax::{quoted::unquote, split::outside, token::trim};
use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

const MAX_PARTS: usize = 64;
const MAX_PART_HEAD: usize = 16 * 1024;

/// One body of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its headers in their order, unfolded.
    pub headers: Vec<(String, String)>,
    /// Its octets.
    pub body: Bytes,
}

impl Part {
    /// A part of a type.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            headers: vec![("Content-Type".into(), content_type.into())],
            body: body.into(),
        }
    }

    /// The same with one header more.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A header by its name, compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The type; `text/plain` if the part does not say (RFC 2046 §5.1).
    pub fn content_type(&self) -> &str {
        self.header("Content-Type").unwrap_or("text/plain")
    }
}

/// Splits a body; the parts are slices of it.
///
/// Text before the first and after the last boundary is dropped; a missing last boundary is
/// tolerated (RFC 5438 §8.3 prints one).
pub fn parse(content_type: &str, body: &Bytes) -> Result<Vec<Part>, MultipartError> {
    let boundary = boundary(content_type).ok_or(MultipartError::NoBoundary)?;
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    while let Some(Line { start, after, last }) = delimiter_line(body, delimiter.as_bytes(), at) {
        if let Some(from) = open {
            let end = start.saturating_sub(line_end_before(body, start)).max(from);
            parts.push(part(body.slice(from..end))?);
        }
        if parts.len() > MAX_PARTS {
            return Err(MultipartError::TooMany { limit: MAX_PARTS });
        }
        if last {
            return Ok(parts);
        }
        open = Some(after);
        at = after;
    }
    let from = open.ok_or(MultipartError::NoParts)?;
    parts.push(part(body.slice(from..))?);
    Ok(parts)
}

/// Joins parts: the `Content-Type` value and the body.
///
/// `seed` (token characters, at most 60) becomes the boundary; it is lengthened until it occurs in
/// no part.
pub fn build(seed: &str, parts: &[Part]) -> (String, Bytes) {
    let mut boundary = seed.to_owned();
    let occurs = |boundary: &str| {
        let finder = memmem::Finder::new(boundary);
        parts.iter().any(|part| finder.find(&part.body).is_some())
    };
    let mut attempt = 0u32;
    while occurs(&boundary) {
        attempt += 1;
        boundary = format!("{seed}.{attempt}");
    }
    let size: usize = parts.iter().map(|part| part.body.len() + 200).sum();
    let mut out = BytesMut::with_capacity(size);
    for part in parts {
        out.put_slice(format!("--{boundary}\r\n").as_bytes());
        for (name, value) in &part.headers {
            out.put_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        out.put_slice(b"\r\n");
        out.put_slice(&part.body);
        out.put_slice(b"\r\n");
    }
    out.put_slice(format!("--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/mixed;boundary=\"{boundary}\"");
    (content_type, out.freeze())
}

fn boundary(content_type: &str) -> Option<String> {
    let mut pieces = outside(content_type, b';');
    let essence = trim(pieces.next()?);
    let multipart = essence
        .get(..10)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("multipart/"));
    multipart.then_some(())?;
    let value = pieces.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        trim(name)
            .eq_ignore_ascii_case("boundary")
            .then(|| unquote(trim(value)).into_owned())
    })?;
    let fits = (1..=70).contains(&value.len()) && value.bytes().all(|o| (b' '..=b'~').contains(&o));
    (fits && !value.ends_with(' ')).then_some(value)
}

struct Line {
    start: usize,
    after: usize,
    last: bool,
}

/// The next line that is the delimiter, with or without the two hyphens of the last one.
fn delimiter_line(body: &[u8], delimiter: &[u8], from: usize) -> Option<Line> {
    let mut at = from;
    loop {
        let start = at + memmem::find(&body[at..], delimiter)?;
        at = start + 1;
        if start > from && body[start - 1] != b'\n' {
            continue;
        }
        let rest = &body[start + delimiter.len()..];
        let last = rest.starts_with(b"--");
        let line = match memchr::memchr(b'\n', rest) {
            Some(end) => &rest[..end + 1],
            None => rest,
        };
        let padding = &line[if last { 2 } else { 0 }..];
        let blank = padding
            .iter()
            .all(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'\n'));
        if blank && (last || padding.ends_with(b"\n")) {
            let after = start + delimiter.len() + line.len();
            return Some(Line { start, after, last });
        }
    }
}

fn line_end_before(body: &[u8], start: usize) -> usize {
    match &body[..start] {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

fn part(octets: Bytes) -> Result<Part, MultipartError> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    loop {
        let window = &octets[at..octets.len().min(MAX_PART_HEAD).max(at)];
        let Some(end) = memchr::memchr(b'\n', window) else {
            // the line end before the boundary may have been the empty line after the headers
            return match octets[at..].is_empty() {
                true => Ok(Part {
                    headers,
                    body: Bytes::new(),
                }),
                false => Err(MultipartError::BadPart),
            };
        };
        let line = &window[..end];
        at += end + 1;
        let text = std::str::from_utf8(line).map_err(|_| MultipartError::BadPart)?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Ok(Part {
                headers,
                body: octets.slice(at..),
            });
        }
        header_line(&mut headers, text).ok_or(MultipartError::BadPart)?;
    }
}

fn header_line(headers: &mut Vec<(String, String)>, text: &str) -> Option<()> {
    if text.starts_with([' ', '\t']) {
        let (_, value) = headers.last_mut()?;
        value.push(' ');
        value.push_str(trim(text));
        return Some(());
    }
    let (name, value) = text.split_once(':')?;
    headers.push((trim(name).to_owned(), trim(value).to_owned()));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 2046 §5.1.1.
    const EXAMPLE: &str = "This is the preamble.  It is to be ignored, though it\r\n\
        is a handy place for composition agents to include an\r\n\
        explanatory note to non-MIME conformant readers.\r\n\r\n\
        --simple boundary\r\n\r\n\
        This is implicitly typed plain US-ASCII text.\r\n\
        It does NOT end with a linebreak.\r\n\
        --simple boundary\r\n\
        Content-type: text/plain; charset=us-ascii\r\n\r\n\
        This is explicitly typed plain US-ASCII text.\r\n\
        It DOES end with a linebreak.\r\n\r\n\
        --simple boundary--\r\n\r\n\
        This is the epilogue.  It is also to be ignored.\r\n";

    fn parsed(content_type: &str, body: &'static [u8]) -> Result<Vec<Part>, MultipartError> {
        parse(content_type, &Bytes::from_static(body))
    }

    #[test]
    fn rfc2046_example_is_read() {
        let parts = parsed(
            "multipart/mixed; boundary=\"simple boundary\"",
            EXAMPLE.as_bytes(),
        )
        .unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].content_type(), "text/plain");
        assert!(parts[0].body.ends_with(b"NOT end with a linebreak."));
        assert_eq!(parts[1].content_type(), "text/plain; charset=us-ascii");
        assert!(parts[1].body.ends_with(b"DOES end with a linebreak.\r\n"));
    }

    #[test]
    fn boundary_inside_a_line_or_as_prefix_does_not_split() {
        let body = b"--b\r\nA: b\r\n\r\nx--b\r\n--bb\r\n--b x\r\n--b--\r\n";
        let parts = parsed("multipart/mixed;boundary=b", body).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].body, "x--b\r\n--bb\r\n--b x");
    }

    #[test]
    fn missing_last_boundary_is_tolerated() {
        let parts = parsed("Multipart/Mixed;Boundary=b", b"--b\r\nA: b\r\n c\r\n\r\nxy").unwrap();
        assert_eq!(
            (parts[0].header("a"), &parts[0].body[..]),
            (Some("b c"), &b"xy"[..])
        );
    }

    #[test]
    fn malformed_bodies_are_refused_by_name() {
        use MultipartError::*;
        assert_eq!(parsed("text/plain;boundary=b", b""), Err(NoBoundary));
        assert_eq!(parsed("multipart/mixed", b""), Err(NoBoundary));
        assert_eq!(
            parsed("multipart/mixed;boundary=\"\"", b""),
            Err(NoBoundary)
        );
        assert_eq!(parsed("multipart/mixed;boundary=b", b"none"), Err(NoParts));
        assert_eq!(
            parsed(
                "multipart/mixed;boundary=b",
                b"--b\r\nno colon\r\n\r\n--b--"
            ),
            Err(BadPart)
        );
        let many = "--b\r\n\r\n".repeat(100);
        let many = parse("multipart/mixed;boundary=b", &many.into());
        assert_eq!(many, Err(TooMany { limit: 64 }));
    }

    proptest! {
        #[test]
        fn joined_parts_split_again(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..5),
            noise in "(--)?(seed|seed.1|\r\n)*",
        ) {
            let mut parts: Vec<_> = bodies.into_iter().map(|body| Part::new("a/b", body)).collect();
            parts.push(Part::new("text/plain", noise).with("Content-ID", "<1@h>"));
            let (content_type, body) = build("seed", &parts);
            prop_assert_eq!(parse(&content_type, &body), Ok(parts));
        }

        #[test]
        fn garbage_never_panics(body in "(--b|--|\r\n|\n|a:| |é)*") {
            let _ = parse("multipart/mixed;boundary=b", &body.into());
        }

        #[test]
        fn garbage_type_never_panics(content_type in "(multipart/)?[;=\"a-z é]*") {
            let _ = parse(&content_type, &Bytes::new());
        }
    }
}
