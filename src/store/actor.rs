//! The store as a neighbour with a mailbox, one per shard.
use super::{Handle, StoreError, Threads, Txn, View};
use actix::prelude::*;

/// Runs the closure as one transaction; answers when it is on disk.
#[derive(Message)]
#[rtype(result = "Result<R, StoreError>")]
pub struct Write<R: Send + 'static>(Transaction<R>);

/// Runs the closure over a picture of what is committed.
#[derive(Message)]
#[rtype(result = "Result<R, StoreError>")]
pub struct Read<R: Send + 'static>(Query<R>);

type Transaction<R> = Box<dyn FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send>;
type Query<R> = Box<dyn FnOnce(&View<'_>) -> Result<R, StoreError> + Send>;

impl<R: Send + 'static> Write<R> {
    /// An order to run `work`.
    pub fn new(work: impl FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static) -> Self {
        Self(Box::new(work))
    }
}

impl<R: Send + 'static> Read<R> {
    /// An order to run `work`.
    pub fn new(work: impl FnOnce(&View<'_>) -> Result<R, StoreError> + Send + 'static) -> Self {
        Self(Box::new(work))
    }
}

/// Commits what is queued and ends the threads; answers when they are gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

/// The way to the writer thread; answers when durable.
pub struct Store {
    handle: Handle,
    threads: Option<Threads>,
}

impl Store {
    /// One of them, on any shard, keeps `threads` and is told to [`Drain`] at shutdown.
    pub fn new(handle: Handle, threads: Option<Threads>) -> Self {
        Self { handle, threads }
    }
}

impl Actor for Store {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
    }
}

impl<R: Send + 'static> Handler<Write<R>> for Store {
    type Result = ResponseFuture<Result<R, StoreError>>;

    fn handle(&mut self, Write(work): Write<R>, _: &mut Self::Context) -> Self::Result {
        let handle = self.handle.clone();
        Box::pin(async move { handle.write(work).await })
    }
}

impl<R: Send + 'static> Handler<Read<R>> for Store {
    type Result = ResponseFuture<Result<R, StoreError>>;

    fn handle(&mut self, Read(work): Read<R>, _: &mut Self::Context) -> Self::Result {
        let handle = self.handle.clone();
        Box::pin(async move { handle.read(work).await })
    }
}

impl Handler<Drain> for Store {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let threads = self.threads.take();
        Box::pin(async move {
            if let Some(threads) = threads
                && let Err(error) = tokio::task::spawn_blocking(|| threads.stop()).await
            {
                tracing::error!(%error, "the store's threads did not end in order");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Config, Memory, Readable, Table, abort};
    use std::sync::Arc;

    #[actix::test]
    async fn drained_store_has_written_and_writes_no_more() {
        let engine = Arc::new(Memory::default());
        let (handle, threads) = Handle::start(engine, &Config::default(), abort()).unwrap();
        let store = Store::new(handle, Some(threads)).start();
        let put = || {
            Write::new(|txn| {
                txn.put(Table::Meta, "k", "v");
                Ok(())
            })
        };
        store.send(put()).await.unwrap().unwrap();
        let read = Read::new(|view| view.get(Table::Meta, b"k"));
        let found = store.send(read).await.unwrap().unwrap();
        assert_eq!(found, Some("v".into()));
        store.send(Drain).await.unwrap();
        let late = store.send(put()).await.unwrap();
        assert!(matches!(late, Err(StoreError::Closed)));
    }
}
