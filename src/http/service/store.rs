use super::{Outcome, ServiceError, Services};
use crate::{
    http::view::{JobView, StoreView},
    store::Table,
};

/// The store as a whole.
///
/// Errors of all: as [`ServiceError`] names them.
impl Services {
    /// What the store takes, and what it may still take.
    pub async fn store(&self) -> Outcome<StoreView> {
        let totals = self.deferred.totals().await?;
        Ok(StoreView {
            state: self.store.state().as_str().to_owned(),
            octets: self.store.space(),
            free: self.store.free(),
            messages: totals.messages,
            message_octets: totals.octets,
        })
    }

    /// Begins to give the space of what is gone back to the file system, table by table.
    pub async fn compact(&self) -> Outcome<JobView> {
        let store = self.store.clone();
        let begun = self.jobs.begin("compact", move |job| async move {
            job.set_total(Table::ALL.len() as u64);
            let before = store.space();
            for (done, table) in (1..).zip(Table::ALL) {
                let reclaimed = store.reclaim(table).await;
                reclaimed.map_err(|error| format!("{}: {error}", table.name()))?;
                job.set_done(done);
            }
            let after = store.space();
            Ok(format!("{before} octets on disk before, {after} after"))
        });
        Ok(begun?)
    }

    /// How the job that runs, or ran last, stands.
    pub async fn job(&self) -> Outcome<JobView> {
        self.jobs.last().ok_or(ServiceError::NoJob)
    }
}
