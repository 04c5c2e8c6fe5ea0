//! The way of a request: the URIs of To-Path and From-Path.
use super::{HeaderError, Uri};
use std::fmt;

/// One or more URIs, the first one visited first (RFC 4975 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Uri>);

impl Path {
    /// Parses URIs separated by spaces.
    ///
    /// Errors: `Shape` if there is none, or one of them is no MSRP URI.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let uris = text.split(' ').filter(|uri| !uri.is_empty());
        let uris = uris.map(Uri::parse).collect::<Result<Vec<_>, _>>()?;
        match uris.is_empty() {
            true => Err(HeaderError::Shape),
            false => Ok(Self(uris)),
        }
    }

    /// Returns the next hop.
    pub fn first(&self) -> &Uri {
        &self.0[0]
    }

    /// Returns the end of the path: the endpoint itself.
    pub fn last(&self) -> &Uri {
        &self.0[self.0.len() - 1]
    }

    /// Returns all URIs in the order they are visited.
    pub fn uris(&self) -> &[Uri] {
        &self.0
    }

    /// Returns this path, and `further` behind it.
    pub fn then(&self, further: &Self) -> Self {
        Self(self.0.iter().chain(&further.0).cloned().collect())
    }
}

impl From<Uri> for Path {
    fn from(uri: Uri) -> Self {
        Self(vec![uri])
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, uri) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(uri.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_uris_keep_their_order() {
        let text = "msrp://relay.example.com:1/r;tcp msrp://bob.example.com:2/b;tcp";
        let path = Path::parse(text).unwrap();
        assert_eq!(path.first().session_id(), Some("r"));
        assert_eq!(path.last().session_id(), Some("b"));
        assert_eq!((path.uris().len(), path.to_string().as_str()), (2, text));
    }

    #[test]
    fn empty_path_is_refused() {
        assert_eq!(Path::parse(" "), Err(HeaderError::Shape));
        assert_eq!(Path::parse("msrp://h:1/a;tcp x"), Err(HeaderError::Shape));
    }
}
