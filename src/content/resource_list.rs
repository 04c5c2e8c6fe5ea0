//! `application/resource-lists+xml`: the recipients of one request (RFC 4826, RFC 5364, RFC 5365).
use super::{
    XmlError,
    xml::{Element, Writer, text_of},
};
use crate::{identity::Address, profile::psi};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

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
    /// How many recipients an anonymous URI stands for; one if nothing is said.
    pub count: Option<u32>,
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

    /// What every recipient may see of this list (`recipient-list-history`): each once, those who
    /// are copied openly by name, hidden ones counted, those who are copied in secret not at all.
    ///
    /// Source: RFC 5364 §4, §6; its first way to treat `bcc`, so that all see the same list.
    pub fn history(&self) -> Self {
        let merged = self.merged();
        let mut entries = Vec::new();
        for role in [Copy::To, Copy::Cc] {
            let of_role = merged.iter().filter(|entry| entry.role() == role);
            let (hidden, shown): (Vec<_>, Vec<_>) = of_role.partition(|entry| entry.anonymize);
            entries.extend(shown.into_iter().cloned());
            if !hidden.is_empty() {
                entries.push(Recipient {
                    uri: psi::ANONYMOUS.to_owned(),
                    copy: Some(role),
                    count: u32::try_from(hidden.len()).ok(),
                    ..Recipient::default()
                });
            }
        }
        Self { entries }
    }

    /// Each recipient once, in the openest of the roles it is listed in, and hidden if it is so
    /// once. What is no address is compared as it is written.
    pub fn merged(&self) -> Vec<Recipient> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut merged: Vec<Recipient> = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let address = Address::parse(&entry.uri);
            let key = address.map_or_else(|_| entry.uri.clone(), |address| address.to_string());
            match places.get(&key).and_then(|&place| merged.get_mut(place)) {
                Some(known) => {
                    known.copy = Some(known.role().min(entry.role()));
                    known.anonymize |= entry.anonymize;
                }
                None => {
                    places.insert(key, merged.len());
                    merged.push(entry.clone());
                }
            }
        }
        merged
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
        anonymize: matches!(element.attribute("anonymize"), Some("true" | "1")),
        count: element
            .attribute("count")
            .and_then(|text| text.parse().ok()),
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
    if let Some(count) = entry.count {
        start.push_str(&format!(" cp:count=\"{count}\""));
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

    /// Recipient list of RFC 5364 §6 (figure 3).
    fn figure_3() -> ResourceList {
        let entry = |uri: &str, copy, anonymize| Recipient {
            uri: uri.to_owned(),
            copy: Some(copy),
            anonymize,
            ..Recipient::default()
        };
        let entries = vec![
            entry("sip:bill@example.com", Copy::To, false),
            entry("sip:randy@example.net", Copy::To, true),
            entry("sip:eddy@example.com", Copy::To, true),
            entry("sip:joe@example.org", Copy::Cc, false),
            entry("sip:carol@example.net", Copy::Cc, true),
            entry("sip:ted@example.net", Copy::Bcc, false),
            entry("sip:andy@example.com", Copy::Bcc, false),
        ];
        ResourceList { entries }
    }

    #[test]
    fn history_of_the_rfc5364_example_is_the_one_it_shows() {
        let written = String::from_utf8(figure_3().history().to_bytes()).unwrap();
        let lines: Vec<_> = written.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "<entry uri=\"sip:bill@example.com\" cp:copyControl=\"to\"/>",
                "<entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"to\" cp:count=\"2\"/>",
                "<entry uri=\"sip:joe@example.org\" cp:copyControl=\"cc\"/>",
                "<entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"cc\" \
                 cp:count=\"1\"/></list></resource-lists>",
            ]
        );
    }

    #[test]
    fn recipient_who_is_listed_twice_is_told_of_once_in_the_openest_role() {
        let mut list = figure_3();
        list.entries.push(Recipient {
            uri: "SIP:ted@EXAMPLE.net;x=y".to_owned(),
            copy: Some(Copy::Cc),
            ..Recipient::default()
        });
        let history = list.history().entries;
        let ted = history.iter().find(|it| it.uri == "sip:ted@example.net");
        assert_eq!(ted.map(Recipient::role), Some(Copy::Cc));
        assert_eq!(history.len(), 5);
    }

    fn entries() -> impl Strategy<Value = Vec<Recipient>> {
        let copy = proptest::option::of(proptest::sample::select(vec![
            Copy::To,
            Copy::Cc,
            Copy::Bcc,
        ]));
        let entry = ("sip:[a-f]@h", copy, any::<bool>());
        let entry = entry.prop_map(|(uri, copy, anonymize)| Recipient {
            uri,
            copy,
            anonymize,
            ..Recipient::default()
        });
        proptest::collection::vec(entry, 0..12)
    }

    proptest! {
        #[test]
        fn history_counts_everybody_who_is_not_copied_in_secret(entries in entries()) {
            let list = ResourceList { entries };
            let open = list.merged().into_iter().filter(|it| it.role() != Copy::Bcc);
            let history = list.history().entries;
            let told: u32 = history.iter().map(|it| it.count.unwrap_or(1)).sum();
            prop_assert_eq!(told as usize, open.clone().count());
            for hidden in open.filter(|it| it.anonymize) {
                prop_assert!(history.iter().all(|it| it.uri != hidden.uri));
            }
            prop_assert!(history.iter().all(|it| it.role() != Copy::Bcc && !it.anonymize));
        }

        #[test]
        fn written_list_reads_back(
            uri in "[!-~]{1,20}",
            name in proptest::option::of("[!-~é]{1,9}"),
            count in any::<Option<u32>>(),
        ) {
            let entry = Recipient {
                uri, display_name: name, copy: Some(Copy::Cc), anonymize: true, count,
            };
            let list = ResourceList { entries: vec![entry, Recipient::default()] };
            prop_assert_eq!(ResourceList::parse(&list.to_bytes()), Ok(list));
        }

        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = ResourceList::parse(&octets);
        }
    }
}
