//! `application/resource-lists+xml`: the recipients of one request (RFC 4826, RFC 5364, RFC 5365).
use super::{
    XmlError,
    xml::{Element, Writer, text_of},
};
use serde::{Deserialize, Serialize};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:resource-lists";
const COPY_NAMESPACE: &str = "urn:ietf:params:xml:ns:copycontrol";

/// A flat list of recipients; nested lists are read into one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceList {
    /// The recipients in their order.
    pub entries: Vec<Recipient>,
}

/// One recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The URI as it was written.
    pub uri: String,
    /// A name to show.
    pub display_name: Option<String>,
    /// What the others see of this recipient.
    pub copy: Option<Copy>,
    /// Whether the URI must not be shown to the others.
    pub anonymize: bool,
}

/// The role of a recipient (RFC 5364 §4), the openest one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Copy {
    /// Primary recipient.
    To,
    /// Copied openly.
    Cc,
    /// Copied in secret.
    Bcc,
}

impl Recipient {
    /// The role in which it gets the request: in secret, if nothing is said.
    pub fn role(&self) -> Copy {
        self.copy.unwrap_or(Copy::Bcc)
    }
}

impl ResourceList {
    /// Reads a document, lists inside lists included.
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let root = Element::document(document, &["resource-lists"])?;
        let mut entries = Vec::new();
        for list in root.all("list") {
            collect(list, &mut entries)?;
        }
        Ok(Self { entries })
    }

    /// Writes the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.open(&format!(
            "resource-lists xmlns=\"{NAMESPACE}\" xmlns:cp=\"{COPY_NAMESPACE}\""
        ));
        out.open("list");
        for entry in &self.entries {
            out.line();
            write(entry, &mut out);
        }
        out.close("list");
        out.close("resource-lists");
        out.finish()
    }
}

fn collect(list: &Element, entries: &mut Vec<Recipient>) -> Result<(), XmlError> {
    for child in &list.children {
        match child.name.as_str() {
            "list" => collect(child, entries)?,
            "entry" => entries.push(recipient(child)?),
            _ => {}
        }
    }
    Ok(())
}

fn recipient(element: &Element) -> Result<Recipient, XmlError> {
    let uri = element.attribute("uri").ok_or(XmlError::Element("entry"))?;
    Ok(Recipient {
        uri: uri.to_owned(),
        display_name: element.text_of("display-name").map(str::to_owned),
        copy: match element.attribute("copyControl") {
            Some("to") => Some(Copy::To),
            Some("cc") => Some(Copy::Cc),
            Some("bcc") => Some(Copy::Bcc),
            _ => None,
        },
        anonymize: element.attribute("anonymize") == Some("true"),
    })
}

fn write(entry: &Recipient, out: &mut Writer) {
    let mut start = format!("entry uri=\"{}\"", text_of(&entry.uri));
    match entry.copy {
        Some(Copy::To) => start.push_str(" cp:copyControl=\"to\""),
        Some(Copy::Cc) => start.push_str(" cp:copyControl=\"cc\""),
        Some(Copy::Bcc) => start.push_str(" cp:copyControl=\"bcc\""),
        None => {}
    }
    if entry.anonymize {
        start.push_str(" cp:anonymize=\"true\"");
    }
    match &entry.display_name {
        Some(name) => {
            out.open(&start);
            out.leaf("display-name", name);
            out.close("entry");
        }
        None => out.empty(&start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc5365_list_is_read() {
        let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"\n\
            xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\n<list>\n\
            <entry uri=\"sip:bill@example.com\" cp:copyControl=\"to\" />\n\
            <entry uri=\"sip:randy@example.net\" cp:copyControl=\"to\" cp:anonymize=\"true\"/>\n\
            <list><entry uri=\"sip:ted@example.net\" cp:copyControl=\"bcc\" /></list>\n\
            </list>\n</resource-lists>";
        let list = ResourceList::parse(document.as_bytes()).unwrap();
        let read: Vec<_> = list
            .entries
            .iter()
            .map(|entry| (entry.uri.as_str(), entry.copy, entry.anonymize))
            .collect();
        assert_eq!(
            read,
            [
                ("sip:bill@example.com", Some(Copy::To), false),
                ("sip:randy@example.net", Some(Copy::To), true),
                ("sip:ted@example.net", Some(Copy::Bcc), false),
            ]
        );
    }

    proptest! {
        #[test]
        fn written_list_reads_back(uri in "[!-~]{1,20}", name in proptest::option::of("[!-~é]{1,9}")) {
            let entry = Recipient { uri, display_name: name, copy: Some(Copy::Cc), anonymize: true };
            let list = ResourceList { entries: vec![entry, Recipient::default()] };
            prop_assert_eq!(ResourceList::parse(&list.to_bytes()), Ok(list));
        }

        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = ResourceList::parse(&octets);
        }
    }
}
