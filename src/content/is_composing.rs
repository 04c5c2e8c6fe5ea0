//! `application/im-iscomposing+xml`: somebody types (RFC 3994).
use super::{
    XmlError,
    xml::{Element, Writer},
};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";

/// Whether and what somebody composes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsComposing {
    /// `active` or `idle`.
    pub active: bool,
    /// When the next such document comes at the latest, in seconds; 120 if absent.
    pub refresh: Option<u32>,
    /// The type of what is composed.
    pub content_type: Option<String>,
    /// When something was typed last: a date of RFC 3339.
    pub last_active: Option<String>,
}

impl IsComposing {
    /// Reads a document. A state the RFC does not name counts as idle (RFC 3994 §3.2).
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let root = Element::document(document, &["isComposing"])?;
        let owned = |name| root.text_of(name).map(str::to_owned);
        let state = root.text_of("state").ok_or(XmlError::Element("state"))?;
        Ok(Self {
            active: state == "active",
            refresh: root.text_of("refresh").and_then(|text| text.parse().ok()),
            content_type: owned("contenttype"),
            last_active: owned("lastactive"),
        })
    }

    /// Writes the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let refresh = self.refresh.map(|seconds| seconds.to_string());
        let mut out = Writer::new();
        out.open(&format!("isComposing xmlns=\"{NAMESPACE}\""));
        out.leaf("state", if self.active { "active" } else { "idle" });
        out.maybe("lastactive", self.last_active.as_deref());
        out.maybe("contenttype", self.content_type.as_deref());
        out.maybe("refresh", refresh.as_deref());
        out.close("isComposing");
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc3994_examples_are_read() {
        let active = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"\n\
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n\
            xsi:schemaLocation=\"urn:ietf:params:xml:ns:im-composing\niscomposing.xsd\">\n\
            <state>active</state>\n<contenttype>text/plain</contenttype>\n\
            <refresh>90</refresh>\n</isComposing>";
        let read = IsComposing::parse(active.as_bytes()).unwrap();
        assert!(read.active);
        assert_eq!(
            (read.refresh, read.content_type.as_deref()),
            (Some(90), Some("text/plain"))
        );
        let idle = active
            .replace("active", "idle")
            .replace("<refresh>90</refresh>", "");
        let read = IsComposing::parse(idle.as_bytes()).unwrap();
        assert_eq!((read.active, read.refresh), (false, None));
    }

    proptest! {
        #[test]
        fn written_document_reads_back(active in any::<bool>(), refresh in any::<Option<u32>>()) {
            let written = IsComposing {
                active,
                refresh,
                content_type: Some("image/*".into()),
                last_active: None,
            };
            prop_assert_eq!(IsComposing::parse(&written.to_bytes()), Ok(written));
        }

        #[test]
        fn garbage_never_panics(text in "(<isComposing>)?(</?state>)*\\PC*") {
            let _ = IsComposing::parse(text.as_bytes());
        }
    }
}
