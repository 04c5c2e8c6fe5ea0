//! As much of XML streams as a peer of known traffic needs: top-level elements, one by one.
use memchr::{memchr, memmem};

/// The element at the front of `octets`, and how many octets it takes; none until it is whole.
/// White space and the opening of a stream are elements of their own.
///
/// Source: RFC 6120 §11.
pub fn next(octets: &[u8]) -> Option<(&[u8], usize)> {
    if octets.first().is_some_and(|first| *first != b'<') {
        let end = memchr(b'<', octets).unwrap_or(octets.len());
        return Some((&octets[..end], end));
    }
    let end = memchr(b'>', octets)? + 1;
    let tag = &octets[..end];
    let stands_alone = tag.ends_with(b"/>") || tag.starts_with(b"<?") || tag.starts_with(b"</");
    let name = name(tag);
    if stands_alone || name == b"stream:stream" {
        return Some((tag, end));
    }
    let closing = [b"</", name, b">"].concat();
    let end = end + memmem::find(&octets[end..], &closing)? + closing.len();
    Some((&octets[..end], end))
}

/// The name of an element.
pub fn name(element: &[u8]) -> &[u8] {
    let name = element.strip_prefix(b"<").unwrap_or(element);
    let ends = |octet: &u8| matches!(*octet, b' ' | b'>' | b'/' | b'\n');
    let end = name.iter().position(ends).unwrap_or(name.len());
    &name[..end]
}

/// The value of an attribute of the element itself.
pub fn attribute<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let tag = &element[..memchr(b'>', element)?];
    ['\'', '"'].iter().find_map(|quote| {
        let opening = format!(" {name}={quote}");
        let at = memmem::find(tag, opening.as_bytes())? + opening.len();
        let value = &tag[at..];
        Some(&value[..memchr(*quote as u8, value)?])
    })
}

/// The text of the first child called `name`, if it has no children itself.
pub fn text<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (opening, closing) = (format!("<{name}"), format!("</{name}>"));
    let child = &element[memmem::find(element, opening.as_bytes())?..];
    let text = &child[memchr(b'>', child)? + 1..];
    Some(&text[..memmem::find(text, closing.as_bytes())?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_one_by_one_and_whole() {
        let stream = b"<?xml version='1.0'?><stream:stream id='1'><stream:features><a/>\
            </stream:features> <r xmlns='x'/><message id='7'><body>hi</body></message>";
        let (mut at, mut names) = (0, Vec::new());
        while at < stream.len() {
            let (element, used) = next(&stream[at..]).unwrap();
            names.push(String::from_utf8_lossy(name(element)).into_owned());
            at += used;
        }
        let expected = [
            "?xml",
            "stream:stream",
            "stream:features",
            "",
            "r",
            "message",
        ];
        assert_eq!(names, expected);
        assert_eq!(next(&stream[..stream.len() - 1][at - 41..]), None);
    }

    #[test]
    fn attributes_and_texts_are_found() {
        let message = b"<message to='a' id=\"7\"><delay id='8'/><body>hi</body></message>";
        assert_eq!(attribute(message, "id"), Some(&b"7"[..]));
        assert_eq!(attribute(message, "from"), None);
        assert_eq!(text(message, "body"), Some(&b"hi"[..]));
        assert_eq!(text(message, "subject"), None);
    }
}
