//! The changes a message goes through on its way: fields on top, a Via less, a Via stamped.
use super::{
    Message, Name, Via,
    index::{Field, Index, Start},
    lex,
};
use bytes::BytesMut;
use smallvec::SmallVec;
use std::ops::Range;

impl Message {
    /// The same message with this Via on top. `via` must be one line; a line end in it becomes a
    /// space.
    pub fn with_top_via(&self, via: &str) -> Self {
        self.with_on_top(&[(Name::Via, via)])
    }

    /// The same message with these fields, in their order, before every Via and Record-Route. A
    /// line end in a value becomes a space.
    pub fn with_on_top(&self, fields: &[(Name, &str)]) -> Self {
        let index = &self.inner().index;
        let first = index
            .fields
            .iter()
            .position(|field| matches!(field.name, Name::Via | Name::RecordRoute))
            .unwrap_or(0);
        let at = self.line_of(first);
        let mut lines = Vec::with_capacity(128);
        let mut added: SmallVec<[Field; 4]> = SmallVec::new();
        for (name, value) in fields {
            let line = at + lines.len();
            let name_end = line + name.as_str().len();
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend(value.bytes().map(|octet| match octet {
                b'\r' | b'\n' => b' ',
                octet => octet,
            }));
            added.push(Field {
                name: *name,
                folded: false,
                line: line as u32,
                name_end: name_end as u32,
                value: name_end as u32 + 2,
                value_end: (at + lines.len()) as u32,
            });
            lines.extend_from_slice(b"\r\n");
        }
        self.splice(at..at, &lines, first..first, added)
    }

    /// The same message without its topmost Via; as it is if there is none.
    pub fn without_top_via(&self) -> Self {
        let fields = &self.inner().index.fields;
        let Some(first) = fields.iter().position(|field| field.name == Name::Via) else {
            return self.clone();
        };
        let value = self.text(&fields[first]);
        match lex::find_outside(&value, b',') {
            Some(comma) => self.with_value(first, lex::trim(&value[comma + 1..])),
            None => {
                let line = self.line_of(first)..self.line_of(first + 1);
                self.splice(line, b"", first..first + 1, [])
            }
        }
    }

    /// The same message with `via` in place of its topmost Via.
    pub fn with_top_via_stamped(&self, via: &Via) -> Self {
        let fields = &self.inner().index.fields;
        let Some(first) = fields.iter().position(|field| field.name == Name::Via) else {
            return self.clone();
        };
        let value = self.text(&fields[first]);
        self.with_value(first, &with_first(&value, via))
    }

    /// The same message with the first field of this name replaced by `value`; the field is added
    /// at the end of the head if there is none.
    pub fn with_value_of(&self, name: Name, value: &str) -> Self {
        let value = value.replace(['\r', '\n'], " ");
        let fields = &self.inner().index.fields;
        match fields.iter().position(|field| field.name == name) {
            Some(at) => self.with_value(at, &value),
            None => {
                let (at, last) = (self.inner().index.head - 2, fields.len());
                let line = format!("{name}: {value}\r\n");
                let field = Field {
                    name,
                    folded: false,
                    line: at as u32,
                    name_end: (at + name.as_str().len()) as u32,
                    value: (at + name.as_str().len() + 2) as u32,
                    value_end: (at + line.len() - 2) as u32,
                };
                self.splice(at..at, line.as_bytes(), last..last, [field])
            }
        }
    }

    // the field at this place with another value, on one line
    fn with_value(&self, place: usize, value: &str) -> Self {
        let old = self.inner().index.fields[place];
        let field = Field {
            folded: false,
            value_end: old.value + value.len() as u32,
            ..old
        };
        self.splice(
            old.value_range(),
            value.as_bytes(),
            place..place + 1,
            [field],
        )
    }

    // where the field at this place begins, or the head ends
    fn line_of(&self, place: usize) -> usize {
        let index = &self.inner().index;
        index
            .fields
            .get(place)
            .map_or(index.head - 2, |field| field.line as usize)
    }

    // puts `insert` in place of the octets `cut`, and `fields` in place of the fields `places`
    fn splice(
        &self,
        cut: Range<usize>,
        insert: &[u8],
        places: Range<usize>,
        fields: impl IntoIterator<Item = Field>,
    ) -> Self {
        let old = self.octets();
        let mut octets = BytesMut::with_capacity(old.len() + insert.len() - cut.len());
        octets.extend_from_slice(&old[..cut.start]);
        octets.extend_from_slice(insert);
        octets.extend_from_slice(&old[cut.end..]);

        let by = insert.len() as i64 - cut.len() as i64;
        let index = &self.inner().index;
        let before = index.fields[..places.start].iter().copied();
        let after = index.fields[places.end..]
            .iter()
            .map(|field| field.shifted(by));
        let index = Index {
            start: index.start.clone(),
            fields: before.chain(fields).chain(after).collect(),
            content_length: index.content_length,
            head: (index.head as i64 + by) as usize,
        };
        Self::from_parts(octets.freeze(), index)
    }

    /// The same request with another Request-URI; a response as it is.
    pub fn with_uri(&self, uri: &str) -> Self {
        let Start::Request { method, .. } = &self.inner().index.start else {
            return self.clone();
        };
        let method = method.clone();
        let line = format!("{method} {} SIP/2.0\r\n", super::builder::one_word(uri));
        let shifted = self.splice(0..self.line_of(0), line.as_bytes(), 0..0, []);
        let mut index = shifted.inner().index.clone();
        let uri_at = method.as_str().len() as u32 + 1;
        let end = line.len() as u32 - 2;
        index.start = Start::Request {
            method,
            uri: uri_at..end - 8,
            version: end - 7..end,
            loose: false,
        };
        Self::from_parts(shifted.octets().clone(), index)
    }
}

/// The value of a field with `via` in place of the first Via in it.
pub(super) fn with_first(value: &str, via: &Via) -> String {
    let rest = lex::find_outside(value, b',').map_or("", |comma| &value[comma..]);
    format!("{via}{rest}")
}
