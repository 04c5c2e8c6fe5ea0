use super::Broken;
use crate::{
    deferred::{Deferred, Transfer},
    store::StoreError,
};
use tokio::task::JoinHandle;

/// A removal that is being made durable: how many messages.
pub(super) type Removal = JoinHandle<Result<u64, StoreError>>;

/// Removes messages that their receiver has; how many.
pub(super) async fn confirm(deferred: Deferred, arrived: Vec<Transfer>) -> Result<u64, StoreError> {
    let count = arrived.len() as u64;
    let confirmed = deferred.confirm_all(arrived, "200 from the device").await;
    if let Err(error) = &confirmed {
        tracing::warn!(%error, count, "messages not removed that their receiver has");
    }
    confirmed.map(|_| count)
}

/// Resolves when the removal under way is durable; never without one.
pub(super) async fn confirmed(confirming: &mut Option<Removal>) -> Result<u64, Broken> {
    let Some(task) = confirming else {
        return std::future::pending().await;
    };
    let count = task.await;
    *confirming = None;
    let count = count.map_err(|_| Broken::Store("confirm"))?;
    count.map_err(|_| Broken::Store("confirm"))
}
