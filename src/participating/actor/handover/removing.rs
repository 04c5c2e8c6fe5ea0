use super::{super::Services, Broken};
use crate::{deferred::Transfer, store::StoreError};
use tokio::task::JoinHandle;

/// A removal that is being made durable: how many messages.
pub(super) type Removal = JoinHandle<Result<u64, StoreError>>;

/// Removes messages that their receiver has; how many.
///
/// The server does not end before it is done.
pub(super) fn confirm(
    services: &Services,
    arrived: Vec<Transfer>,
) -> impl Future<Output = Result<u64, StoreError>> + 'static + use<> {
    let (deferred, task) = (services.deferred.clone(), services.shutdown.task());
    async move {
        let count = arrived.len() as u64;
        let confirmed = deferred.confirm_all(arrived, "200 from the device").await;
        if let Err(error) = &confirmed {
            tracing::warn!(%error, count, "messages not removed that their receiver has");
        }
        drop(task);
        confirmed.map(|_| count)
    }
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
