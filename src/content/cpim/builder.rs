use super::{Dispositions, escape::escape};
use crate::{profile::mime, syntax::quoted::quote};
use bytes::{BufMut, Bytes, BytesMut};

/// Writes a CPIM message, header by header in the order of the calls.
///
/// ```
/// # use restante::content::cpim::{Cpim, CpimBuilder};
/// let message = CpimBuilder::new()
///     .from("sip:alice@example.com")
///     .to("sip:bob@example.com")
///     .message_id("34jk324j")
///     .build("text/plain", b"Hello");
/// assert_eq!(Cpim::parse(&message)?.head.message_id().as_deref(), Some("34jk324j"));
/// # Ok::<(), restante::content::CpimError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CpimBuilder {
    message: String,
    mime: String,
    imdn_declared: bool,
}

impl CpimBuilder {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the sender.
    pub fn from(self, uri: &str) -> Self {
        self.header("From", &format!("<{uri}>"))
    }

    /// Adds the sender with a name to show.
    pub fn from_named(self, name: &str, uri: &str) -> Self {
        // the escapes of quoted strings and of header values are the same here
        self.raw("From", &format!("{} <{}>", quote(name), escape(uri)))
    }

    /// Adds a recipient.
    pub fn to(self, uri: &str) -> Self {
        self.header("To", &format!("<{uri}>"))
    }

    /// Adds the date: text of RFC 3339.
    pub fn date_time(self, date: &str) -> Self {
        self.header("DateTime", date)
    }

    /// Adds a subject.
    pub fn subject(self, text: &str) -> Self {
        self.header("Subject", text)
    }

    /// Adds the identifier of the message.
    pub fn message_id(self, id: &str) -> Self {
        self.imdn("Message-ID", id)
    }

    /// Asks for notifications; writes nothing if none is asked for.
    pub fn dispositions(self, asked: Dispositions) -> Self {
        match asked.is_empty() {
            true => self,
            false => self.imdn("Disposition-Notification", &asked.to_string()),
        }
    }

    /// Adds a header of RFC 5438 by its name without prefix.
    pub fn imdn(mut self, name: &str, value: &str) -> Self {
        if !std::mem::replace(&mut self.imdn_declared, true) {
            let declaration = format!("imdn <{}>", mime::IMDN_CPIM_NAMESPACE);
            self = self.header("NS", &declaration);
        }
        self.header(&format!("imdn.{name}"), value)
    }

    /// Adds any header; the value is escaped.
    pub fn header(self, name: &str, value: &str) -> Self {
        let escaped = escape(value);
        self.raw(name, &escaped)
    }

    /// Adds a MIME header of the body (not Content-Type or Content-Length).
    pub fn mime(mut self, name: &str, value: &str) -> Self {
        put(&mut self.mime, name, &value.replace(['\r', '\n'], " "));
        self
    }

    /// The head of a message whose body follows piece by piece.
    pub fn head(mut self, content_type: &str, length: Option<u64>) -> Bytes {
        self.message.push_str("\r\n");
        put(&mut self.message, "Content-Type", content_type);
        if let Some(length) = length {
            put(&mut self.message, "Content-Length", &length.to_string());
        }
        self.message.push_str(&self.mime);
        self.message.push_str("\r\n");
        self.message.into()
    }

    /// The whole message.
    pub fn build(self, content_type: &str, body: &[u8]) -> Bytes {
        let head = self.head(content_type, u64::try_from(body.len()).ok());
        let mut out = BytesMut::with_capacity(head.len() + body.len());
        out.put_slice(&head);
        out.put_slice(body);
        out.freeze()
    }

    fn raw(mut self, name: &str, value: &str) -> Self {
        put(&mut self.message, name, value);
        self
    }
}

fn put(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::{Cpim, CpimHead};
    use super::*;
    use crate::content::CpimError;
    use proptest::prelude::*;

    /// RFC 3862 §5.1.
    const SECTION_5_1: &str = "From: MR SANDERS <im:piglet@100akerwood.com>\r\n\
        To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n\
        DateTime: 2000-12-13T13:40:00-08:00\r\n\
        Subject: the weather will be fine today\r\n\
        Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n\
        NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n\
        Require: MyFeatures.VitalMessageOption\r\n\
        MyFeatures.VitalMessageOption: Confirmation-requested\r\n\
        MyFeatures.WackyMessageOption: Use-silly-font\r\n\
        \r\n\
        Content-type: text/xml; charset=utf-8\r\n\
        Content-ID: <1234567890@foo.com>\r\n\
        \r\n\
        <body>\r\nHere is the text of my message.\r\n</body>";

    fn example() -> Cpim {
        Cpim::parse(&Bytes::from_static(SECTION_5_1.as_bytes())).unwrap()
    }

    #[test]
    fn rfc3862_example_is_read() {
        let Cpim { head, body } = example();
        assert_eq!(head.from().unwrap(), "im:piglet@100akerwood.com");
        assert_eq!(head.to().collect::<Vec<_>>(), ["im:eeyore@100akerwood.com"]);
        assert_eq!(head.date_time().unwrap(), "2000-12-13T13:40:00-08:00");
        let subjects: Vec<_> = head.all(super::super::CORE_NAMESPACE, "Subject").collect();
        assert_eq!(
            subjects,
            [
                "the weather will be fine today",
                "beau temps prevu pour aujourd'hui"
            ]
        );
        let wacky = head
            .all("mid:MessageFeatures@id.foo.com", "WackyMessageOption")
            .next();
        assert_eq!(wacky.unwrap(), "Use-silly-font");
        assert_eq!(head.content_type(), "text/xml; charset=utf-8");
        assert_eq!(head.mime("CONTENT-ID").unwrap(), "<1234567890@foo.com>");
        assert_eq!(body, "<body>\r\nHere is the text of my message.\r\n</body>");
        assert_eq!(head.headers().count(), 9);
        assert!(head.message_id().is_none() && head.dispositions().is_empty());
    }

    #[test]
    fn rfc5438_example_is_read_under_any_prefix() {
        for prefix in ["imdn", "x"] {
            let text = format!(
                "From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\n\
                 NS: {prefix} <urn:ietf:params:imdn>\r\n{prefix}.Message-ID: 34jk324j\r\n\
                 DateTime: 2006-04-04T12:16:49-05:00\r\n\
                 {prefix}.Disposition-Notification: positive-delivery, negative-delivery\r\n\
                 \r\nContent-type: text/plain\r\nContent-length: 12\r\n\r\nHello World"
            );
            let head = Cpim::parse(&text.into()).unwrap().head;
            assert_eq!(head.message_id().unwrap(), "34jk324j");
            let asked = head.dispositions();
            assert!(asked.positive_delivery && asked.negative_delivery);
            assert!(!asked.display && !asked.processing);
        }
    }

    #[test]
    fn foreign_namespace_under_our_prefix_is_not_ours() {
        let text = "NS: imdn <urn:other>\r\nimdn.Message-ID: a\r\n\r\nContent-Type: a/b\r\n\r\n";
        assert_eq!(Cpim::parse(&text.into()).unwrap().head.message_id(), None);
        let undeclared = "imdn.Message-ID: a\r\n\r\nContent-Type: a/b\r\n\r\n";
        let head = Cpim::parse(&undeclared.into()).unwrap().head;
        assert_eq!(head.message_id().unwrap(), "a");
    }

    #[test]
    fn body_keeps_every_octet() {
        let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\n-------x$\r\n").collect();
        let message = CpimBuilder::new().from("sip:a@h").build("image/png", &body);
        let read = Cpim::parse(&message).unwrap();
        assert_eq!(read.body, body);
        assert_eq!(
            read.head.mime("content-length").unwrap(),
            body.len().to_string()
        );
    }

    #[test]
    fn folded_mime_header_is_unfolded() {
        let text = "From: <a:b>\r\n\r\nContent-type: multipart/mixed;\r\n  boundary=\"x\"\r\n\r\n";
        let head = Cpim::parse(&text.into()).unwrap().head;
        assert_eq!(head.content_type(), "multipart/mixed;  boundary=\"x\"");
    }

    #[test]
    fn broken_heads_are_refused_by_name() {
        let refused = |text: &str| Cpim::parse(&Bytes::from(text.to_owned())).unwrap_err();
        assert_eq!(refused("From: <a:b>\r\n"), CpimError::Incomplete);
        assert_eq!(
            refused(" From: x\r\n\r\n\r\n"),
            CpimError::BadHeader { line: 1 }
        );
        assert_eq!(
            refused("A: b\r\n\r\nno colon\r\n\r\n"),
            CpimError::BadHeader { line: 3 }
        );
        assert_eq!(
            refused("A: b\r\n\r\n folded\r\n\r\n"),
            CpimError::BadHeader { line: 3 }
        );
        let limit = CpimHead::LIMIT;
        let long = format!("Subject: {}\r\n", "x".repeat(limit));
        assert_eq!(refused(&long), CpimError::HeadTooLong { limit });
    }

    #[test]
    fn notification_is_told_from_a_message() {
        let imdn = CpimBuilder::new().mime("Content-Disposition", "notification");
        assert!(
            Cpim::parse(&imdn.build(mime::IMDN, b""))
                .unwrap()
                .head
                .is_notification()
        );
        assert!(!example().head.is_notification());
    }

    proptest! {
        #[test]
        fn head_is_found_at_any_split(at in 0..SECTION_5_1.len()) {
            let end = example().head.body_offset();
            let found = Cpim::parse_head(&SECTION_5_1.as_bytes()[..at]).unwrap();
            prop_assert_eq!(found.is_some(), at >= end);
            if let Some(head) = found {
                prop_assert_eq!(head.octets(), &SECTION_5_1.as_bytes()[..end]);
            }
        }

        #[test]
        fn built_message_reads_back(
            name in "\\PC*",
            subject in ".*",
            id in "[a-zA-Z0-9-]{1,40}",
            body in proptest::collection::vec(any::<u8>(), 0..100),
            display in any::<bool>(),
        ) {
            let asked = Dispositions { positive_delivery: true, display, ..Dispositions::default() };
            let message = CpimBuilder::new()
                .from_named(&name, "sip:a@h")
                .to("sip:b@h")
                .subject(&subject)
                .message_id(&id)
                .dispositions(asked)
                .mime("Content-ID", "<1>")
                .build("text/plain;charset=utf-8", &body);
            let read = Cpim::parse(&message).unwrap();
            prop_assert_eq!(read.head.from().unwrap(), "sip:a@h");
            prop_assert_eq!(read.head.subject().unwrap(), subject);
            prop_assert_eq!(read.head.message_id().unwrap(), id);
            prop_assert_eq!(read.head.dispositions(), asked);
            prop_assert_eq!(read.head.content_type(), "text/plain;charset=utf-8");
            prop_assert_eq!(read.body, body);
        }

        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Cpim::parse(&octets.into());
        }

        #[test]
        fn near_garbage_never_panics(text in "(NS|imdn.Message-ID|From|[;:<>\"\\\\. a\r\n])*") {
            if let Ok(read) = Cpim::parse(&text.into()) {
                let _ = (read.head.from(), read.head.message_id(), read.head.to().count());
                let _ = (read.head.content_type(), read.head.headers().count());
            }
        }
    }
}
