use super::{Durability, StoreError, Txn, room::Load};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// A transaction that somebody waits for.
pub(super) trait Transaction: Send {
    /// Runs the caller's closure; whether its writes are to be kept.
    fn run(&mut self, txn: &mut Txn<'_>) -> bool;

    /// Tells the caller, once the fate of its group is known.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A closure and who asked for it, in one piece of memory.
pub(super) struct Call<R, W> {
    work: Option<W>,
    result: Option<Result<R, StoreError>>,
    caller: oneshot::Sender<Result<R, StoreError>>,
}

impl<R, W> Call<R, W>
where
    R: Send + 'static,
    W: FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send + 'static,
{
    pub(super) fn boxed(
        work: W,
        caller: oneshot::Sender<Result<R, StoreError>>,
    ) -> Box<dyn Transaction> {
        Box::new(Self {
            work: Some(work),
            result: None,
            caller,
        })
    }
}

impl<R, W> Transaction for Call<R, W>
where
    R: Send,
    W: FnOnce(&mut Txn<'_>) -> Result<R, StoreError> + Send,
{
    fn run(&mut self, txn: &mut Txn<'_>) -> bool {
        let work = self.work.take();
        self.result = work.map(|work| work(txn).and_then(|value| txn.check().map(|()| value)));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // a caller that went away wants no answer
        let _ = self.caller.send(answer);
    }
}

pub(super) struct Job {
    pub(super) call: Box<dyn Transaction>,
    pub(super) durability: Durability,
    pub(super) load: Load,
    /// When it was asked for, before it had its credit.
    pub(super) queued_at: Instant,
    /// Octets on their way to the writer, given back on drop.
    pub(super) credit: OwnedSemaphorePermit,
}
