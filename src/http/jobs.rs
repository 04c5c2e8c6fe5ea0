//! Work that takes longer than an answer may: one job at a time, looked at while it runs.
use super::view::{JobState, JobView};
use crate::clock::{self, Timestamp};
use parking_lot::Mutex;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// The job that runs, or ran last. Cheap to clone.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Option<Arc<Job>>>>);

/// One job.
pub struct Job {
    kind: &'static str,
    began: Timestamp,
    done: AtomicU64,
    total: AtomicU64,
    outcome: OnceLock<(Timestamp, Result<String, String>)>,
}

/// Another job runs already.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is still running; GET /api/v1/store/job says how far it is")]
pub struct JobRunning(&'static str);

impl Jobs {
    /// Begins a job; what `work` returns is its report.
    ///
    /// Errors: `JobRunning`.
    pub(super) fn begin<F>(
        &self,
        kind: &'static str,
        work: impl FnOnce(Arc<Job>) -> F,
    ) -> Result<JobView, JobRunning>
    where
        F: Future<Output = Result<String, String>> + 'static,
    {
        let mut last = self.0.lock();
        if let Some(running) = last.as_ref().filter(|job| job.is_running()) {
            return Err(JobRunning(running.kind));
        }
        let job = Arc::new(Job {
            kind,
            began: clock::wall(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            outcome: OnceLock::new(),
        });
        *last = Some(job.clone());
        let (work, end) = (work(job.clone()), End(job.clone()));
        actix_rt::spawn(async move {
            let outcome = work.await;
            end.0.end(outcome);
        });
        Ok(job.view())
    }

    /// How the job that runs, or ran last, stands.
    pub(super) fn last(&self) -> Option<JobView> {
        let last = self.0.lock();
        last.as_ref().map(|job| job.view())
    }
}

impl Job {
    /// Says how much there is to do.
    pub(super) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Says how much is done.
    pub(super) fn set_done(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    fn is_running(&self) -> bool {
        self.outcome.get().is_none()
    }

    fn end(&self, outcome: Result<String, String>) {
        match &outcome {
            Ok(report) => tracing::info!(job = self.kind, report, "job done"),
            Err(error) => tracing::error!(job = self.kind, error, "job failed"),
        }
        // whoever came first has said how it ended
        let _ = self.outcome.set((clock::wall(), outcome));
    }

    fn view(&self) -> JobView {
        let outcome = self.outcome.get();
        let (state, report) = match outcome {
            None => (JobState::Running, None),
            Some((_, Ok(report))) => (JobState::Done, Some(report.clone())),
            Some((_, Err(error))) => (JobState::Failed, Some(error.clone())),
        };
        JobView {
            kind: self.kind.to_owned(),
            state,
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            began: self.began.to_rfc3339(),
            ended: outcome.map(|(at, _)| at.to_rfc3339()),
            report,
        }
    }
}

/// A job whose task goes away without a word has failed.
struct End(Arc<Job>);

impl Drop for End {
    fn drop(&mut self) {
        if self.0.is_running() {
            self.0.end(Err("it ended without a word".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[actix_rt::test]
    async fn second_job_waits_for_the_first_to_end() {
        let jobs = Jobs::default();
        assert!(jobs.last().is_none());
        let (go_on, held) = oneshot::channel::<()>();
        let (ended, end) = oneshot::channel::<()>();
        let began = jobs.begin("first", move |job| async move {
            job.set_total(2);
            job.set_done(1);
            held.await.map_err(|error| error.to_string())?;
            drop(ended);
            Ok("two of two".to_owned())
        });
        assert_eq!(began.unwrap().state, JobState::Running);
        let refused = jobs.begin("second", |_| async { Ok(String::new()) });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.starts_with("`first` is still running"), "{refused}");
        tokio::task::yield_now().await;
        let view = jobs.last().unwrap();
        assert_eq!((view.done, view.total), (1, 2));

        go_on.send(()).unwrap();
        assert!(end.await.is_err(), "it was dropped at the end of the work");
        tokio::task::yield_now().await;
        let view = jobs.last().unwrap();
        assert_eq!(view.state, JobState::Done);
        assert_eq!(view.report.as_deref(), Some("two of two"));
        assert!(
            jobs.begin("second", |_| async { Ok(String::new()) })
                .is_ok()
        );
    }

    #[actix_rt::test]
    async fn job_that_dies_has_failed() {
        let jobs = Jobs::default();
        let lost: Arc<Job> = {
            jobs.begin("lost", |_| std::future::pending()).unwrap();
            jobs.0.lock().clone().unwrap()
        };
        drop(End(lost));
        assert_eq!(jobs.last().unwrap().state, JobState::Failed);
    }
}
