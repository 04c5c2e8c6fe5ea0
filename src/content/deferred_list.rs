//! `application/vnd.oma.im.deferred-list+xml`: which messages wait for a user, and which of them
//! the user wants fetched or deleted (OMA SIMPLE IM; the namespace is shared with history lists).
//!
//! A list may come in pages, and may be a request over an open channel; what is needed for that
//! stands in attributes of a namespace of our own, which others pass over.
use super::{
    XmlError,
    xml::{Element, Writer, text_of},
};
use crate::{identity::Address, profile::mime};

/// Namespace of what the OMA document has no element for.
const OWN_NAMESPACE: &str = "urn:restante:xml:deferred-list";

/// What `kind` says of a notification.
const NOTIFICATION: &str = "notification";
/// What `state` says of a message that is being handed over.
const UNDER_WAY: &str = "transferring";

/// A list of deferred messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeferredList {
    /// The messages, oldest first.
    pub entries: Vec<Entry>,
    /// What is asked for, or which part of a list this is.
    pub terms: Terms,
}

/// What a list asks for, or which part of a list it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What is to be done, or was done, with the entries.
    pub action: Option<Action>,
    /// Whether the channel is to stay open for more requests.
    pub keep: bool,
    /// The page behind this mark is asked for.
    pub after: Option<String>,
    /// At most so many entries are asked for.
    pub limit: Option<usize>,
    /// How many messages wait in all.
    pub total: Option<u64>,
    /// The mark of the next page, if there is one.
    pub next: Option<String>,
    /// The Message-ID of the request that this answers.
    pub request: Option<String>,
    /// Whether a message counts as taken only when its success report has come: relays that answer
    /// for themselves stand before the device.
    pub reports: bool,
}

/// What is asked for over an open channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A page of the list.
    List,
    /// The messages named.
    Fetch,
    /// The deletion of the messages named.
    Delete,
}

impl Action {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Fetch => "fetch",
            Self::Delete => "delete",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [Self::List, Self::Fetch, Self::Delete];
        all.into_iter().find(|action| action.as_str() == name)
    }
}

impl Terms {
    fn read(root: &Element) -> Self {
        let text = |name| root.attribute(name).map(str::to_owned);
        Self {
            action: root.attribute("action").and_then(Action::parse),
            keep: root.attribute("keep") == Some("true"),
            after: text("after"),
            limit: root.attribute("limit").and_then(|text| text.parse().ok()),
            total: root.attribute("total").and_then(|text| text.parse().ok()),
            next: text("next"),
            request: text("request"),
            reports: root.attribute("reports") == Some("true"),
        }
    }

    fn attributes(&self) -> String {
        let told = [
            (
                "action",
                self.action.map(|action| action.as_str().to_owned()),
            ),
            ("keep", self.keep.then(|| "true".to_owned())),
            ("after", self.after.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("total", self.total.map(|total| total.to_string())),
            ("next", self.next.clone()),
            ("request", self.request.clone()),
            ("reports", self.reports.then(|| "true".to_owned())),
        ];
        let told = told.into_iter();
        let written = told.filter_map(|(name, value)| {
            let value = text_of(&value?);
            Some(format!(" r:{name}=\"{value}\""))
        });
        written.collect()
    }
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
    /// The group it was sent to, if it was one.
    pub group: Option<Address>,
    /// Whether it only tells what became of another message.
    pub is_notification: bool,
    /// Its place in the mailbox: grows with every message that comes.
    pub mark: Option<u64>,
    /// Whether it is being handed over right now.
    pub is_under_way: bool,
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
            terms: Terms::default(),
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
        let terms = Terms::read(&root);
        Ok(Self { entries, terms })
    }

    /// Writes the document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let (space, own) = (mime::HISTORY_LIST_NAMESPACE, OWN_NAMESPACE);
        let attributes = self.terms.attributes();
        out.open(&format!(
            "deferred-list xmlns=\"{space}\" xmlns:r=\"{own}\"{attributes}"
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
        group: element
            .text_of("group")
            .and_then(|text| Address::parse(text).ok()),
        is_notification: element.text_of("kind") == Some(NOTIFICATION),
        mark: element.text_of("mark").and_then(|text| text.parse().ok()),
        is_under_way: element.text_of("state") == Some(UNDER_WAY),
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
    out.maybe("r:group", entry.group.as_ref().map(Address::as_str));
    out.maybe("r:kind", entry.is_notification.then_some(NOTIFICATION));
    out.maybe("r:mark", entry.mark.map(|mark| mark.to_string()).as_deref());
    out.maybe("r:state", entry.is_under_way.then_some(UNDER_WAY));
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

    #[test]
    fn terms_of_a_page_and_of_a_request_read_back() {
        let page = Terms {
            total: Some(450),
            next: Some("200".to_owned()),
            request: Some("<\"&".to_owned()),
            ..Terms::default()
        };
        let request = Terms {
            action: Some(Action::List),
            keep: true,
            after: Some("200".to_owned()),
            limit: Some(50),
            reports: true,
            ..Terms::default()
        };
        for terms in [page, request, Terms::default()] {
            let entries = Vec::new();
            let list = DeferredList { entries, terms };
            assert_eq!(DeferredList::parse(&list.to_bytes()), Ok(list));
        }
        let bare = DeferredList::default().to_bytes();
        assert!(!String::from_utf8(bare).unwrap().contains("r:keep"));
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
                group: Address::parse("sip:club@example.com").ok().filter(|_| count > 1),
                is_notification: count % 2 == 1,
                mark: size,
                is_under_way: count == 3,
            };
            let list = DeferredList { entries: vec![entry; count], terms: Terms::default() };
            prop_assert_eq!(DeferredList::parse(&list.to_bytes()), Ok(list));
        }

        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = DeferredList::parse(&octets);
        }
    }
}
