//! As much of XML as small documents need: read into a tree, looked at by local name.
use super::XmlError;
use quick_xml::{
    Reader, XmlVersion,
    escape::escape,
    events::{BytesRef, BytesStart, Event},
};

const MAX_DEPTH: usize = 16;
const MAX_ELEMENTS: usize = 50_000;

/// An element with what stands in it. Prefixes are dropped.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document whose root is one of `roots`.
    pub fn document(octets: &[u8], roots: &[&'static str]) -> Result<Self, XmlError> {
        let root = read(octets)?;
        match roots.contains(&root.name.as_str()) {
            true => Ok(root),
            false => Err(XmlError::ForeignRoot {
                wanted: roots.first().copied().unwrap_or_default(),
            }),
        }
    }

    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The trimmed text of a child; nothing if it is absent or empty.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        let text = self.child(name)?.text.trim();
        (!text.is_empty()).then_some(text)
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(local, _)| local == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn read(octets: &[u8]) -> Result<Element, XmlError> {
    let text = std::str::from_utf8(octets).map_err(|error| XmlError::Syntax(error.to_string()))?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(syntax)?;
        if let Event::Start(_) | Event::Empty(_) = event {
            elements += 1;
            bound("elements", elements, MAX_ELEMENTS)?;
            bound("levels", open.len(), MAX_DEPTH)?;
        }
        match event {
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => {
                let child = element(&start)?;
                innermost(&mut open)?.children.push(child);
            }
            Event::End(_) => {
                let child = open.pop().ok_or_else(unbalanced)?;
                innermost(&mut open)?.children.push(child);
            }
            Event::Text(text) => innermost(&mut open)?.text.push_str(&text.xml10_content()),
            Event::CData(data) => innermost(&mut open)?.text.push_str(&data.xml10_content()),
            Event::GeneralRef(reference) => innermost(&mut open)?.text.push(character(&reference)?),
            Event::DocType(_) => return Err(XmlError::Syntax("document type declaration".into())),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    let (Some(mut top), None) = (open.pop(), open.pop()) else {
        return Err(unbalanced());
    };
    match top.children.len() {
        1 => Ok(top.children.remove(0)),
        _ => Err(XmlError::Syntax("not exactly one root element".into())),
    }
}

fn innermost(open: &mut [Element]) -> Result<&mut Element, XmlError> {
    open.last_mut().ok_or_else(unbalanced)
}

fn element(start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut element = Element {
        name: start.local_name().as_ref().to_owned(),
        ..Element::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(syntax)?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(syntax)?;
        let name = attribute.key.local_name().as_ref().to_owned();
        element.attributes.push((name, value.into_owned()));
    }
    Ok(element)
}

fn character(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if let Some(found) = reference.resolve_char_ref().map_err(syntax)? {
        return Ok(found);
    }
    match reference.clone().into_inner().as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        other => Err(XmlError::Syntax(format!("unknown entity {other}"))),
    }
}

fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), XmlError> {
    match found > limit {
        true => Err(XmlError::TooLarge { what, limit }),
        false => Ok(()),
    }
}

fn syntax(error: impl std::fmt::Display) -> XmlError {
    XmlError::Syntax(error.to_string())
}

fn unbalanced() -> XmlError {
    XmlError::Syntax("unbalanced elements".into())
}

/// Writes a document.
pub(super) struct Writer(String);

impl Writer {
    /// Starts with the declaration.
    pub fn new() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into())
    }

    /// Opens an element; `start` is its name and attributes, values already escaped.
    pub fn open(&mut self, start: &str) {
        self.0.push_str(&format!("<{start}>"));
    }

    pub fn close(&mut self, name: &str) {
        self.0.push_str(&format!("</{name}>"));
    }

    /// An element with text.
    pub fn leaf(&mut self, name: &str, text: &str) {
        self.0
            .push_str(&format!("<{name}>{}</{name}>", text_of(text)));
    }

    /// An element with text, if there is text.
    pub fn maybe(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    pub fn empty(&mut self, start: &str) {
        self.0.push_str(&format!("<{start}/>"));
    }

    pub fn line(&mut self) {
        self.0.push('\n');
    }

    pub fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Text as it may stand in an element or attribute; characters XML forbids become spaces.
pub(super) fn text_of(text: &str) -> String {
    let allowed: String = text
        .chars()
        .map(|character| match character {
            '\t' | '\n' => character,
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => ' ',
            _ => character,
        })
        .collect();
    escape(allowed).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prefixes_entities_and_sections_are_read() {
        let root =
            read(b"<?xml version='1.0'?><p:a x:k='1 &lt; 2'>b&amp;&#65;<![CDATA[<c>]]><d/></p:a>")
                .unwrap();
        assert_eq!((root.name.as_str(), root.text.as_str()), ("a", "b&A<c>"));
        assert_eq!(root.attribute("k"), Some("1 < 2"));
        assert_eq!(root.children[0].name, "d");
    }

    #[test]
    fn dangerous_documents_are_refused() {
        let nested = "<a>".repeat(100_000);
        assert!(matches!(
            read(nested.as_bytes()),
            Err(XmlError::TooLarge { .. })
        ));
        let entity = b"<!DOCTYPE a [<!ENTITY x 'xx'>]><a>&x;</a>";
        assert!(matches!(read(entity), Err(XmlError::Syntax(_))));
        for wrong in [
            "",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a>&nope;</a>",
            "<a b=c/>",
        ] {
            assert!(
                matches!(read(wrong.as_bytes()), Err(XmlError::Syntax(_))),
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "[<>/!?&;a-c=\"' \\[\\]-]*") {
            let _ = read(text.as_bytes());
        }
    }
}
