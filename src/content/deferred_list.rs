//! `application/vnd.oma.im.deferred-list+xml`: which messages wait for a user, and which of them
//! the user wants fetched or deleted (OMA SIMPLE IM; the namespace is shared with history lists).
use super::{
    XmlError,
    xml::{Element, Writer},
};
use crate::{identity::Address, profile::mime};

/// Namespace of what the OMA document has no element for.
const OWN_NAMESPACE: &str = "urn:restante:xml:deferred-list";

/// A list of deferred messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeferredList {
    /// The messages, oldest first.
    pub entries: Vec<Entry>,
}

/// One deferred message. In a request only `reference` is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The handle by which the message is fetched or deleted.
    pub reference: String,
    /// Octets of the message.
    pub size: Option<u64>,
    /// Until when it is kept: a date of RFC 3339.
    pub expiry: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// When it was sent: a date of RFC 3339.
    pub date: Option<String>,
    /// Its sender.
    pub from: Option<Address>,
    /// Its recipient.
    pub to: Option<Address>,
    /// Its MIME type.
    pub content_type: Option<String>,
}

impl DeferredList {
    /// A list that only names messages: the body of a fetch or a deletion.
    pub fn of_references<S: Into<String>>(references: impl IntoIterator<Item = S>) -> Self {
        let entries = references.into_iter().map(|reference| Entry {
            reference: reference.into(),
            ..Entry::default()
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// The handles of all entries.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.reference.as_str())
    }

    /// Reads a document; addresses that are none are left out.
    ///
    /// Errors: [`XmlError`]; every entry needs its `history-reference`.
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let root = Element::document(document, &["deferred-list", "history-list"])?;
        let items = root
            .children
            .iter()
            .filter(|child| matches!(child.name.as_str(), "history" | "deferred"));
        let entries = items.map(entry).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Writes the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let (space, own) = (mime::HISTORY_LIST_NAMESPACE, OWN_NAMESPACE);
        out.open(&format!(
            "deferred-list xmlns=\"{space}\" xmlns:r=\"{own}\""
        ));
        for entry in &self.entries {
            out.line();
            write(entry, &mut out);
        }
        out.line();
        out.close("deferred-list");
        out.finish()
    }
}

fn entry(element: &Element) -> Result<Entry, XmlError> {
    let owned = |name| element.text_of(name).map(str::to_owned);
    let address = |name| {
        let pager = element.child("pager")?;
        Address::parse(pager.text_of(name)?).ok()
    };
    Ok(Entry {
        reference: owned("history-reference").ok_or(XmlError::Element("history-reference"))?,
        size: element.text_of("size").and_then(|text| text.parse().ok()),
        expiry: owned("expiry"),
        subject: owned("subject"),
        date: owned("date"),
        from: address("from"),
        to: address("to"),
        content_type: owned("content-type"),
    })
}

fn write(entry: &Entry, out: &mut Writer) {
    let size = entry.size.map(|octets| octets.to_string());
    out.open("history");
    out.maybe("size", size.as_deref());
    out.maybe("expiry", entry.expiry.as_deref());
    out.maybe("subject", entry.subject.as_deref());
    out.maybe("date", entry.date.as_deref());
    out.leaf("history-reference", &entry.reference);
    if entry.from.is_some() || entry.to.is_some() {
        out.open("pager");
        out.maybe("from", entry.from.as_ref().map(Address::as_str));
        out.maybe("to", entry.to.as_ref().map(Address::as_str));
        out.close("pager");
    }
    out.maybe("r:content-type", entry.content_type.as_deref());
    out.close("history");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn foreign_list_is_read_by_its_local_names() {
        let document = "<h:history-list xmlns:h=\"urn:oma:xml:im:history-list\"><h:history>\
            <h:size>5242880</h:size><h:date>2026-01-02T03:04:05Z</h:date>\
            <h:history-reference>17</h:history-reference><h:pager><h:from>sip:A@H.example</h:from>\
            <h:to>not a uri</h:to></h:pager><h:unknown/></h:history><h:other/></h:history-list>";
        let list = DeferredList::parse(document.as_bytes()).unwrap();
        let entry = &list.entries[0];
        assert_eq!(
            (entry.reference.as_str(), entry.size),
            ("17", Some(5_242_880))
        );
        assert_eq!(
            entry.from.as_ref().map(Address::as_str),
            Some("sip:A@h.example")
        );
        assert_eq!((entry.to.clone(), list.entries.len()), (None, 1));
    }

    #[test]
    fn request_names_only_references() {
        let list = DeferredList::of_references(["a", "b<&"]);
        let read = DeferredList::parse(&list.to_bytes()).unwrap();
        assert_eq!(read.references().collect::<Vec<_>>(), ["a", "b<&"]);
    }

    #[test]
    fn entry_without_reference_is_refused() {
        let error = DeferredList::parse(b"<deferred-list><history/></deferred-list>");
        assert_eq!(error, Err(XmlError::Element("history-reference")));
    }

    proptest! {
        #[test]
        fn written_list_reads_back(
            reference in "[!-~]{1,20}",
            size in any::<Option<u64>>(),
            subject in proptest::option::of("[!-~é]{1,20}"),
            count in 0usize..4,
        ) {
            let entry = Entry {
                reference,
                size,
                subject,
                expiry: Some("2026-01-02T03:04:05Z".into()),
                date: None,
                from: Address::parse("sip:alice@example.com").ok(),
                to: Address::parse("tel:+49151").ok(),
                content_type: Some("image/png".into()),
            };
            let list = DeferredList { entries: vec![entry; count] };
            prop_assert_eq!(DeferredList::parse(&list.to_bytes()), Ok(list));
        }

        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = DeferredList::parse(&octets);
        }
    }
}
