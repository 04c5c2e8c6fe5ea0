//! Heads put together from their parts.
use super::{DecodeError, Head, Method, encoding};
use bytes::BytesMut;

/// Builds a head field by field.
#[derive(Clone, Debug)]
pub struct HeadBuilder {
    text: BytesMut,
}

impl HeadBuilder {
    /// Opens a request. `to` and `from` are paths in their wire form.
    pub fn request(id: &str, method: Method<'_>, to: &str, from: &str) -> Self {
        let mut text = BytesMut::with_capacity(256);
        encoding::put_request(
            &mut text,
            id.as_bytes(),
            method,
            to.as_bytes(),
            from.as_bytes(),
        );
        Self { text }
    }

    /// Opens a response with the usual comment for `code`.
    pub fn response(id: &str, code: u16, to: &str, from: &str) -> Self {
        let mut text = BytesMut::with_capacity(256);
        encoding::put_response_head(
            &mut text,
            id.as_bytes(),
            code,
            to.as_bytes(),
            from.as_bytes(),
        );
        Self { text }
    }

    /// Appends a field. Line breaks inside `value` become spaces.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        encoding::put_field(&mut self.text, name, value.as_ref());
        self
    }

    /// Closes the head. Errors: what a decoder would say of these octets.
    pub fn build(self, has_body: bool) -> Result<Head, DecodeError> {
        Head::read(self.text.freeze(), has_body)
    }
}
