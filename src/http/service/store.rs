use super::{Outcome, ServiceError, Services};
use crate::{
    http::view::{JobView, NewBackup, StoreView},
    store::{self, Report, Step, Table, View},
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

    /// Begins to read every entry, past what is damaged; finding damage is a failure.
    pub async fn verify(&self) -> Outcome<JobView> {
        let store = self.store.clone();
        let begun = self.jobs.begin("verify", move |job| async move {
            let work = move |view: &View<'_>| {
                store::verify(view, &|step: Step| job.set_done(step.entries))
            };
            let report = store.read_aside(work).await;
            told(&report.map_err(|error| error.to_string())?)
        });
        Ok(begun?)
    }

    /// Begins to copy everything to a file of its own, as it is at this moment.
    pub async fn backup(&self, new: NewBackup) -> Outcome<JobView> {
        let file = new.file;
        if !file.is_absolute() || file.symlink_metadata().is_ok() {
            return Err(ServiceError::BackupFile(file));
        }
        let store = self.store.clone();
        let begun = self.jobs.begin("backup", move |job| async move {
            let name = file.display().to_string();
            let work = move |view: &View<'_>| {
                store::backup(view, &file, &|step: Step| job.set_done(step.entries))
            };
            let report = store.read_aside(work).await;
            let report = told(&report.map_err(|error| error.to_string())?)?;
            Ok(format!("{name}: {report}"))
        });
        Ok(begun?)
    }

    /// How the job that runs, or ran last, stands.
    pub async fn job(&self) -> Outcome<JobView> {
        self.jobs.last().ok_or(ServiceError::NoJob)
    }
}

/// Damaged places that are told one by one.
const TOLD: usize = 10;

/// What a walk over all entries found; damage is told as a failure.
fn told(report: &Report) -> Result<String, String> {
    let sound = format!("{} entries of {} octets", report.entries, report.octets);
    if report.damaged.is_empty() {
        return Ok(format!("{sound}, all sound"));
    }
    let places = report.damaged.iter().take(TOLD);
    let places: Vec<String> = places
        .map(|damage| format!("{}: {}", damage.table.name(), damage.what))
        .collect();
    Err(format!(
        "{sound} are sound, {} places are damaged ({}); mailboxes hit: {}",
        report.damaged.len(),
        places.join("; "),
        report.mailboxes().join(", ")
    ))
}
