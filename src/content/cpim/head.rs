use super::{CORE_NAMESPACE, CpimError, Dispositions, escape::unescape};
use crate::{
    profile::mime,
    syntax::{split::find_unquoted, token::trim},
};
use bytes::Bytes;
use memchr::memchr;
use smallvec::SmallVec;
use std::{borrow::Cow, ops::Range};

/// The two header blocks of a CPIM message: its own headers and the MIME headers of its body.
#[derive(Clone, Debug)]
pub struct CpimHead {
    octets: Bytes,
    message: SmallVec<[Line; 10]>,
    mime: SmallVec<[Line; 4]>,
}

#[derive(Clone, Debug)]
struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl CpimHead {
    /// Longest head taken, in octets.
    pub const LIMIT: usize = 16 * 1024;

    /// Parses the head at the front of a message; `None` if it is not complete.
    pub(super) fn parse(message: &Bytes) -> Result<Option<Self>, CpimError> {
        let Some(end) = end(message)? else {
            return Ok(None);
        };
        let octets = message.slice(..end);
        let mut head = Self {
            octets: octets.clone(),
            message: SmallVec::new(),
            mime: SmallVec::new(),
        };
        let mut in_mime = false;
        for (index, range) in Lines::new(&octets).enumerate() {
            let bad = CpimError::BadHeader { line: index + 1 };
            match (range.is_empty(), in_mime) {
                (true, true) => break,
                (true, false) => in_mime = true,
                (false, false) => head.message.push(message_line(&octets, range).ok_or(bad)?),
                (false, true) => head.take_mime(range).ok_or(bad)?,
            }
        }
        Ok(Some(head))
    }

    /// Where the body starts, in octets from the start of the message.
    pub fn body_offset(&self) -> usize {
        self.octets.len()
    }

    /// The octets of both header blocks, as they came.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// The sender's URI.
    pub fn from(&self) -> Option<Cow<'_, str>> {
        self.raw(CORE_NAMESPACE, "From").next().map(uri_of)
    }

    /// The recipients' URIs.
    pub fn to(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.raw(CORE_NAMESPACE, "To").map(uri_of)
    }

    /// When the message was sent: a date of RFC 3339.
    pub fn date_time(&self) -> Option<Cow<'_, str>> {
        self.core("DateTime")
    }

    /// The first subject, in whichever language.
    pub fn subject(&self) -> Option<Cow<'_, str>> {
        self.core("Subject")
    }

    /// The identifier of the message (`imdn.Message-ID`).
    pub fn message_id(&self) -> Option<Cow<'_, str>> {
        self.imdn("Message-ID").filter(|id| !id.is_empty())
    }

    /// Which notifications the sender asks for.
    pub fn dispositions(&self) -> Dispositions {
        self.imdn("Disposition-Notification")
            .map_or_else(Dispositions::default, |value| Dispositions::parse(&value))
    }

    /// The URI of its first recipient (`imdn.Original-To`).
    pub fn original_to(&self) -> Option<Cow<'_, str>> {
        self.raw(mime::IMDN_CPIM_NAMESPACE, "Original-To")
            .next()
            .map(uri_of)
    }

    /// The URIs a notification of this message goes by, topmost first (`imdn.IMDN-Record-Route`).
    pub fn imdn_record_route(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.raw(mime::IMDN_CPIM_NAMESPACE, "IMDN-Record-Route")
            .map(uri_of)
    }

    /// The URIs this notification goes by, topmost first (`imdn.IMDN-Route`).
    pub fn imdn_route(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.raw(mime::IMDN_CPIM_NAMESPACE, "IMDN-Route")
            .map(uri_of)
    }

    /// A header of RFC 3862 by its name.
    pub fn core(&self, name: &str) -> Option<Cow<'_, str>> {
        self.all(CORE_NAMESPACE, name).next()
    }

    /// A header of RFC 5438 by its name without prefix.
    pub fn imdn(&self, name: &str) -> Option<Cow<'_, str>> {
        self.all(mime::IMDN_CPIM_NAMESPACE, name).next()
    }

    /// All values of a header of a namespace, escapes read. Names are compared exactly.
    ///
    /// Source: RFC 3862 §3.4. The prefix `imdn` is understood without its declaration, too.
    pub fn all<'a, 'n>(
        &'a self,
        space: &'n str,
        name: &'n str,
    ) -> impl Iterator<Item = Cow<'a, str>> + use<'a, 'n> {
        self.raw(space, name).map(unescaped)
    }

    /// All message headers in their order: name with prefix, value with escapes read.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let lines = self.message.iter();
        lines.map(|line| (self.text(&line.name), unescaped(self.text(&line.value))))
    }

    /// The MIME type of the body; `text/plain` if the message does not say.
    pub fn content_type(&self) -> Cow<'_, str> {
        self.mime("Content-Type")
            .unwrap_or(Cow::Borrowed(mime::TEXT))
    }

    /// A MIME header of the body, unfolded. Names are compared without case.
    pub fn mime(&self, name: &str) -> Option<Cow<'_, str>> {
        let line = self
            .mime
            .iter()
            .find(|line| self.octets[line.name.clone()].eq_ignore_ascii_case(name.as_bytes()))?;
        let text = self.text(&line.value);
        match text.contains('\n') {
            true => Some(Cow::Owned(text.replace("\r\n", "").replace('\n', ""))),
            false => Some(text),
        }
    }

    /// Whether this is a disposition notification: it must never be answered with another.
    ///
    /// Source: RFC 5438 §9.
    pub fn is_notification(&self) -> bool {
        mime::is(&self.content_type(), mime::IMDN)
            || self
                .mime("Content-Disposition")
                .is_some_and(|value| mime::is(&value, "notification"))
    }

    fn take_mime(&mut self, range: Range<usize>) -> Option<()> {
        if matches!(self.octets[range.start], b' ' | b'\t') {
            self.mime.last_mut()?.value.end = range.end;
            return Some(());
        }
        let colon = range.start + memchr(b':', &self.octets[range.clone()])?;
        let line = Line {
            name: trimmed(&self.octets, range.start..colon),
            value: trimmed(&self.octets, colon + 1..range.end),
        };
        (!line.name.is_empty()).then(|| self.mime.push(line))
    }

    fn namespace(&self, prefix: &str, before: usize) -> Option<Cow<'_, str>> {
        let declared = self.message[..before].iter().rev().find_map(|line| {
            let declaration =
                (&self.octets[line.name.clone()] == b"NS").then(|| self.text(&line.value))?;
            let (name, urn) = declaration.split_once('<')?;
            let urn = urn.split('>').next()?;
            (trim(name) == prefix).then(|| Cow::Owned(urn.to_owned()))
        });
        declared.or(match prefix {
            "" => Some(Cow::Borrowed(CORE_NAMESPACE)),
            "imdn" => Some(Cow::Borrowed(mime::IMDN_CPIM_NAMESPACE)),
            _ => None,
        })
    }

    fn raw<'a, 'n>(
        &'a self,
        space: &'n str,
        name: &'n str,
    ) -> impl Iterator<Item = Cow<'a, str>> + use<'a, 'n> {
        self.found(space, name).map(|line| self.text(&line.value))
    }

    /// Where the lines of a header stand, their ends included.
    pub(super) fn lines<'a>(
        &'a self,
        space: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = Range<usize>> + 'a {
        self.found(space, name).map(|line| {
            let rest = &self.octets[line.value.end..];
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            line.name.start..line.value.end + end
        })
    }

    fn found<'a, 'n>(
        &'a self,
        space: &'n str,
        name: &'n str,
    ) -> impl Iterator<Item = &'a Line> + use<'a, 'n> {
        let lines = self.message.iter().enumerate();
        lines.filter_map(move |(index, line)| {
            let full = self.text(&line.name);
            let (prefix, local) = full.split_once('.').unwrap_or(("", &full));
            let wanted = local == name && self.namespace(prefix, index).as_deref() == Some(space);
            wanted.then_some(line)
        })
    }

    fn text(&self, range: &Range<usize>) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.octets[range.clone()])
    }
}

/// Where the head ends: after the second empty line.
pub(super) fn end(prefix: &[u8]) -> Result<Option<usize>, CpimError> {
    let limit = CpimHead::LIMIT;
    let window = &prefix[..prefix.len().min(limit)];
    let mut lines = Lines::new(window);
    let mut blank = 0;
    while let Some(range) = lines.next() {
        blank += usize::from(range.is_empty());
        if blank == 2 {
            return Ok(Some(lines.at));
        }
    }
    match prefix.len() > limit {
        true => Err(CpimError::HeadTooLong { limit }),
        false => Ok(None),
    }
}

/// The complete lines of a text, without their ends (CRLF; a bare LF is tolerated).
struct Lines<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let end = start + memchr(b'\n', &self.octets[start..])?;
        self.at = end + 1;
        let line = &self.octets[start..end];
        let end = end - usize::from(line.last() == Some(&b'\r'));
        Some(start..end)
    }
}

/// `name ":" *( ";" parameter ) SP value`; the parameters are skipped.
fn message_line(octets: &[u8], range: Range<usize>) -> Option<Line> {
    let colon = range.start + memchr(b':', &octets[range.clone()])?;
    let name = range.start..colon;
    let name_octet =
        |octet: &u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(octet);
    if name.is_empty() || !octets[name.clone()].iter().all(name_octet) {
        return None;
    }
    let mut start = colon + 1;
    if octets.get(start) == Some(&b';') {
        let rest = std::str::from_utf8(&octets[start..range.end]).ok()?;
        start += find_unquoted(rest, b' ')?;
    }
    if start < range.end && octets[start] == b' ' {
        start += 1;
    }
    Some(Line {
        name,
        value: start..range.end,
    })
}

fn trimmed(octets: &[u8], mut range: Range<usize>) -> Range<usize> {
    while range.start < range.end && matches!(octets[range.start], b' ' | b'\t') {
        range.start += 1;
    }
    while range.start < range.end && matches!(octets[range.end - 1], b' ' | b'\t') {
        range.end -= 1;
    }
    range
}

fn unescaped(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => unescape(text),
        Cow::Owned(text) => Cow::Owned(unescape(&text).into_owned()),
    }
}

/// The URI of `[ Formal-name ] "<" URI ">"`; a bare URI is tolerated.
fn uri_of(value: Cow<'_, str>) -> Cow<'_, str> {
    let Some(open) = find_unquoted(&value, b'<') else {
        return Cow::Owned(unescape(trim(&value)).into_owned());
    };
    let rest = &value[open + 1..];
    let uri = rest.find('>').map_or(rest, |close| &rest[..close]);
    Cow::Owned(unescape(trim(uri)).into_owned())
}
