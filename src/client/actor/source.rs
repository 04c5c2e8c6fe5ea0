//! Where the octets of an outgoing message come from: a wrapper in memory, then memory or a file.
use crate::client::{ClientError, outgoing::Content};
use bytes::{Bytes, BytesMut};
use std::{io, path::Path};
use tokio::{fs::File, io::AsyncReadExt};

/// Octets read piece by piece, never more than one piece in memory.
pub(super) struct Source {
    front: Bytes,
    rest: Rest,
    left: u64,
}

enum Rest {
    Memory(Bytes),
    File(File),
}

impl Source {
    /// Opens the content without a wrapper.
    pub async fn open(content: &Content) -> Result<Self, ClientError> {
        let (rest, left) = match content {
            Content::Bytes(octets) => (Rest::Memory(octets.clone()), octets.len() as u64),
            Content::File(path) => file(path).await.map_err(|source| ClientError::Read {
                path: path.clone(),
                source,
            })?,
        };
        Ok(Self {
            front: Bytes::new(),
            rest,
            left,
        })
    }

    /// Puts octets before the content.
    pub fn wrapped_in(mut self, head: Bytes) -> Self {
        self.left += head.len() as u64;
        self.front = head;
        self
    }

    /// Octets still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next octets: `most` of them, or all that are left.
    ///
    /// Errors: the file cannot be read, or became shorter.
    pub async fn next(&mut self, most: usize) -> io::Result<Vec<Bytes>> {
        let mut wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        self.left -= wanted as u64;
        let mut pieces = Vec::with_capacity(2);
        if !self.front.is_empty() {
            let piece = self.front.split_to(wanted.min(self.front.len()));
            wanted -= piece.len();
            pieces.push(piece);
        }
        if wanted > 0 {
            pieces.push(self.rest.next(wanted).await?);
        }
        Ok(pieces)
    }
}

impl Rest {
    async fn next(&mut self, wanted: usize) -> io::Result<Bytes> {
        match self {
            Self::Memory(octets) => Ok(octets.split_to(wanted.min(octets.len()))),
            Self::File(file) => {
                let mut buffer = BytesMut::zeroed(wanted);
                file.read_exact(&mut buffer).await?;
                Ok(buffer.freeze())
            }
        }
    }
}

async fn file(path: &Path) -> io::Result<(Rest, u64)> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    Ok((Rest::File(file), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn drained(mut source: Source, most: usize) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        while source.left() > 0 {
            pieces.push(source.next(most).await.unwrap().concat());
        }
        pieces
    }

    #[tokio::test]
    async fn pieces_run_over_wrapper_and_content() {
        let content = Content::Bytes(Bytes::from_static(b"content"));
        let source = Source::open(&content).await.unwrap();
        let pieces = drained(source.wrapped_in(Bytes::from_static(b"head")), 6).await;
        assert_eq!(pieces, [b"headco".to_vec(), b"ntent".to_vec()]);
    }

    #[tokio::test]
    async fn file_is_read_to_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, &[7; 10]).unwrap();
        let source = Source::open(&Content::File(file.path().into()))
            .await
            .unwrap();
        assert_eq!(drained(source, 4).await.concat(), [7; 10]);
        let missing = Source::open(&Content::File("/does/not/exist".into())).await;
        assert!(matches!(missing.err(), Some(ClientError::Read { .. })));
    }
}
