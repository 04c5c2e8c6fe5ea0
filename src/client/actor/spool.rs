//! Where the octets of an incoming message go: memory while it is small, a file beyond that.
use crate::client::{Config, inbox::Body};
use bytes::{Bytes, BytesMut};
use std::{io, path::PathBuf};
use tokio::{fs::File, io::AsyncWriteExt};

/// A body being received. Dropped before it is finished, it leaves nothing behind.
pub(super) struct Spool {
    in_memory: usize,
    memory: BytesMut,
    path: PathBuf,
    file: Option<File>,
    sync: bool,
    finished: bool,
}

impl Spool {
    /// A body that may have to go to the file `name` in the spool directory.
    pub fn new(config: &Config, name: &str) -> Self {
        Self {
            in_memory: usize::try_from(config.in_memory.as_u64()).unwrap_or(usize::MAX),
            memory: BytesMut::new(),
            path: config.spool.join(format!("{name}.part")),
            file: None,
            sync: config.sync,
            finished: false,
        }
    }

    /// Appends octets; they are with the operating system when this returns, or in memory.
    pub async fn write(&mut self, pieces: &mut Vec<Bytes>) -> io::Result<()> {
        let octets: usize = pieces.iter().map(Bytes::len).sum();
        if self.file.is_none() && self.memory.len() + octets > self.in_memory {
            let mut file = File::create(&self.path).await?;
            file.write_all(&self.memory).await?;
            self.memory = BytesMut::new();
            self.file = Some(file);
        }
        for piece in pieces.drain(..) {
            match &mut self.file {
                Some(file) => file.write_all(&piece).await?,
                None => self.memory.extend_from_slice(&piece),
            }
        }
        match &mut self.file {
            Some(file) => file.flush().await,
            None => Ok(()),
        }
    }

    /// Ends the body: what was spooled is on the disk now, under its final name.
    pub async fn finish(mut self) -> io::Result<Body> {
        let Some(file) = self.file.take() else {
            self.finished = true;
            return Ok(Body::Bytes(std::mem::take(&mut self.memory).freeze()));
        };
        if self.sync {
            file.sync_all().await?;
        }
        let path = self.path.with_extension("");
        tokio::fs::rename(&self.path, &path).await?;
        self.finished = true;
        Ok(Body::File(path))
    }
}

/// Forgets a body that nobody will take.
pub(super) fn discard(body: &Body) {
    if let Body::File(path) = body {
        // it lies where temporary files lie
        let _ = std::fs::remove_file(path);
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.finished && self.file.take().is_some() {
            // nobody waits for a message that was never complete
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytesize::ByteSize;

    fn config(directory: &tempfile::TempDir) -> Config {
        Config {
            spool: directory.path().into(),
            in_memory: ByteSize::b(4),
            ..Config::default()
        }
    }

    fn files(directory: &tempfile::TempDir) -> usize {
        std::fs::read_dir(directory.path()).unwrap().count()
    }

    #[tokio::test]
    async fn small_body_stays_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(&config(&directory), "m");
        spool
            .write(&mut vec!["ab".into(), "cd".into()])
            .await
            .unwrap();
        assert_eq!(spool.finish().await.unwrap(), Body::Bytes("abcd".into()));
        assert_eq!(files(&directory), 0);
    }

    #[tokio::test]
    async fn large_body_becomes_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(&config(&directory), "m");
        spool.write(&mut vec!["abc".into()]).await.unwrap();
        spool
            .write(&mut vec!["de".into(), "f".into()])
            .await
            .unwrap();
        let Body::File(path) = spool.finish().await.unwrap() else {
            panic!("not spooled")
        };
        assert_eq!(std::fs::read(path).unwrap(), b"abcdef");
    }

    #[tokio::test]
    async fn abandoned_body_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(&config(&directory), "m");
        spool.write(&mut vec!["abcdef".into()]).await.unwrap();
        drop(spool);
        assert_eq!(files(&directory), 0);
    }
}
