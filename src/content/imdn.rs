//! `message/imdn+xml`: what became of a message (RFC 5438 §11).
use super::{
    XmlError,
    cpim::{CpimBuilder, Dispositions},
    multipart,
    xml::{Element, Writer},
};
use crate::profile::mime;
use bytes::Bytes;

/// A disposition notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imdn {
    /// The identifier of the message it speaks of.
    pub message_id: String,
    /// When that message was sent, as its CPIM said.
    pub date_time: String,
    /// Its recipient, from the CPIM `To`.
    pub recipient: Option<String>,
    /// Its first recipient, from `Original-To`.
    pub original_recipient: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// What became of it.
    pub disposition: Disposition,
}

/// Which question is answered, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disposition {
    /// Delivered to the recipient's device.
    Delivered,
    /// Could not be delivered.
    Failed,
    /// Delivery is not told.
    DeliveryForbidden,
    /// The server that should tell of the delivery has failed.
    DeliveryError,
    /// A server has processed it.
    Processed,
    /// A server keeps it for its recipient.
    Stored,
    /// Processing is not told.
    ProcessingForbidden,
    /// The server that should tell of the processing has failed.
    ProcessingError,
    /// Shown to the recipient.
    Displayed,
    /// Whether it was shown is not told.
    DisplayForbidden,
    /// Whether it was shown is unknown by an error.
    DisplayError,
}

const DELIVERY: &str = "delivery-notification";
const PROCESSING: &str = "processing-notification";
const DISPLAY: &str = "display-notification";

/// Element of the question, element of the answer.
const TABLE: [(Disposition, &str, &str); 11] = [
    (Disposition::Delivered, DELIVERY, "delivered"),
    (Disposition::Failed, DELIVERY, "failed"),
    (Disposition::DeliveryForbidden, DELIVERY, "forbidden"),
    (Disposition::DeliveryError, DELIVERY, "error"),
    (Disposition::Processed, PROCESSING, "processed"),
    (Disposition::Stored, PROCESSING, "stored"),
    (Disposition::ProcessingForbidden, PROCESSING, "forbidden"),
    (Disposition::ProcessingError, PROCESSING, "error"),
    (Disposition::Displayed, DISPLAY, "displayed"),
    (Disposition::DisplayForbidden, DISPLAY, "forbidden"),
    (Disposition::DisplayError, DISPLAY, "error"),
];

impl Disposition {
    fn elements(self) -> (&'static str, &'static str) {
        let row = TABLE.iter().find(|(disposition, ..)| *disposition == self);
        row.map_or((DELIVERY, "error"), |(_, question, answer)| {
            (question, answer)
        })
    }

    /// The word of the status (`delivered`, `stored`, …).
    pub fn as_str(self) -> &'static str {
        self.elements().1
    }

    /// The element of the question; a message gets one answer to each at most.
    pub fn question(self) -> &'static str {
        self.elements().0
    }

    /// Whether a sender who asked for `asked` is to be told this.
    ///
    /// Source: RFC 5438 §7.1.1.3, §8.2.
    pub fn is_wanted(self, asked: Dispositions) -> bool {
        match (self, self.question()) {
            (Self::Delivered, _) => asked.positive_delivery,
            (_, DELIVERY) => asked.negative_delivery,
            (_, PROCESSING) => asked.processing,
            _ => asked.display,
        }
    }
}

impl Imdn {
    /// Reads a document.
    ///
    /// Errors: [`XmlError`]; a status the RFC does not name is malformed.
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let root = Element::document(document, &["imdn"])?;
        let owned = |name| root.text_of(name).map(str::to_owned);
        Ok(Self {
            message_id: owned("message-id").ok_or(XmlError::Element("message-id"))?,
            date_time: owned("datetime").ok_or(XmlError::Element("datetime"))?,
            recipient: owned("recipient-uri"),
            original_recipient: owned("original-recipient-uri"),
            subject: owned("subject"),
            disposition: disposition(&root).ok_or(XmlError::Element("status"))?,
        })
    }

    /// Reads the notifications in a body of a type: one document, or several in a multipart. What
    /// cannot be read is left out; nothing comes of any other type.
    ///
    /// Source: RFC 5438 §8.3 (aggregation).
    pub fn all_in(content_type: &str, body: &Bytes) -> Vec<Self> {
        if mime::is(content_type, mime::IMDN) {
            return Self::parse(body).into_iter().collect();
        }
        if !mime::is(content_type, mime::MULTIPART_MIXED) {
            return Vec::new();
        }
        let parts = multipart::parse(content_type, body).unwrap_or_default();
        let parts = parts.iter();
        let documents = parts.filter(|part| mime::is(part.content_type(), mime::IMDN));
        documents
            .filter_map(|part| Self::parse(&part.body).ok())
            .collect()
    }

    /// Writes the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (question, answer) = self.disposition.elements();
        let mut out = Writer::new();
        out.open(&format!("imdn xmlns=\"{}\"", mime::IMDN_NAMESPACE));
        out.leaf("message-id", &self.message_id);
        out.leaf("datetime", &self.date_time);
        out.maybe("recipient-uri", self.recipient.as_deref());
        out.maybe("original-recipient-uri", self.original_recipient.as_deref());
        out.maybe("subject", self.subject.as_deref());
        out.open(question);
        out.open("status");
        out.empty(answer);
        out.close("status");
        out.close(question);
        out.close("imdn");
        out.finish()
    }

    /// The notification as a whole message: `head` with the document as its body.
    ///
    /// Source: RFC 5438 §7.2.1 (Content-Disposition).
    pub fn in_cpim(&self, head: CpimBuilder) -> Bytes {
        head.mime("Content-Disposition", "notification")
            .build(mime::IMDN, &self.to_bytes())
    }
}

fn disposition(root: &Element) -> Option<Disposition> {
    TABLE.iter().find_map(|(disposition, question, answer)| {
        let status = root.child(question)?.child("status")?;
        status.child(answer).map(|_| *disposition)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 5438 §7.2.1.1.
    const EXAMPLE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\n <message-id>34jk324j</message-id>\n\
        <datetime>2008-04-04T12:16:49-05:00</datetime>\n\
        <recipient-uri>im:bob@example.com</recipient-uri>\n\
        <original-recipient-uri\n >im:bob@example.com</original-recipient-uri>\n\
        <delivery-notification>\n <status>\n <delivered/>\n </status>\n\
        </delivery-notification>\n</imdn>";

    #[test]
    fn rfc5438_example_is_read() {
        let imdn = Imdn::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(imdn.message_id, "34jk324j");
        assert_eq!(imdn.date_time, "2008-04-04T12:16:49-05:00");
        assert_eq!(imdn.recipient.as_deref(), Some("im:bob@example.com"));
        assert_eq!(imdn.original_recipient, imdn.recipient);
        assert_eq!(imdn.disposition, Disposition::Delivered);
    }

    #[test]
    fn incomplete_documents_are_refused_by_element() {
        let without =
            |from: &str, to: &str| Imdn::parse(EXAMPLE.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(without("34jk324j", ""), XmlError::Element("message-id"));
        assert_eq!(without("delivered/", "odd/"), XmlError::Element("status"));
        assert_eq!(
            without("imdn", "other"),
            XmlError::ForeignRoot { wanted: "imdn" }
        );
    }

    #[test]
    fn every_disposition_reads_back() {
        for (disposition, ..) in TABLE {
            let imdn = Imdn {
                disposition,
                ..Imdn::parse(EXAMPLE.as_bytes()).unwrap()
            };
            assert_eq!(Imdn::parse(&imdn.to_bytes()), Ok(imdn));
        }
    }

    /// RFC 5438 §8.3, where the last boundary is missing.
    #[test]
    fn aggregated_notifications_are_read_one_by_one() {
        let shown = EXAMPLE.replace("delivered", "displayed");
        let shown = shown.replace("delivery-not", "display-not");
        let part = |document: &str| {
            format!("--imdn-boundary\r\nContent-type: message/imdn+xml\r\n\r\n{document}\r\n")
        };
        let body = format!("{}{}--imdn-boundary\r\n", part(EXAMPLE), part(&shown));
        let content_type = "multipart/mixed; boundary=\"imdn-boundary\"";
        let all = Imdn::all_in(content_type, &body.into());
        let answers: Vec<_> = all.iter().map(|one| one.disposition).collect();
        assert_eq!(answers, [Disposition::Delivered, Disposition::Displayed]);
        let single = Imdn::all_in("message/imdn+xml", &EXAMPLE.into());
        assert_eq!(single[..], all[..1]);
        assert!(Imdn::all_in("text/plain", &EXAMPLE.into()).is_empty());
    }

    #[test]
    fn each_answer_is_told_to_those_who_asked_its_question() {
        use Disposition::*;
        let asked = Dispositions::parse("positive-delivery");
        assert!(Delivered.is_wanted(asked) && !Failed.is_wanted(asked));
        let asked = Dispositions::parse("negative-delivery, processing");
        assert!(!Delivered.is_wanted(asked) && !Displayed.is_wanted(asked));
        for answer in [Failed, DeliveryForbidden, DeliveryError, Stored, Processed] {
            assert!(answer.is_wanted(asked), "{answer:?}");
        }
        assert!(DisplayForbidden.is_wanted(Dispositions::parse("display")));
    }

    proptest! {
        #[test]
        fn written_text_reads_back(id in "[!-~]{1,20}", subject in "[!-~é<&]{1,20}") {
            let imdn = Imdn {
                message_id: id,
                subject: Some(subject),
                ..Imdn::parse(EXAMPLE.as_bytes()).unwrap()
            };
            prop_assert_eq!(Imdn::parse(&imdn.to_bytes()), Ok(imdn));
        }

        #[test]
        fn every_prefix_is_refused(at in 0..EXAMPLE.len()) {
            prop_assert!(Imdn::parse(&EXAMPLE.as_bytes()[..at]).is_err());
        }

        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Imdn::parse(&octets);
        }
    }
}
