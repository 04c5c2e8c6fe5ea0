//! The threads that read. Each read sees one picture of the store and never waits for the writer.
use super::{Engine, View, metrics::Metrics, waits::Waits};
use crossbeam::channel::Receiver;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};
use tokio::sync::oneshot;

pub(super) enum Query {
    Run(Box<dyn FnOnce(&View<'_>) + Send>, Instant),
    /// Tells that it was come to.
    Pass(oneshot::Sender<()>),
    Stop,
}

/// Serves until it is told to stop or nobody can ask any more.
pub(super) fn run(
    engine: Arc<dyn Engine>,
    queries: Receiver<Query>,
    metrics: Metrics,
    waits: Waits,
) {
    while let Ok(query) = queries.recv() {
        let (query, asked) = match query {
            Query::Run(query, asked) => (query, asked),
            Query::Pass(passed) => {
                // a caller that went away wants no answer
                let _ = passed.send(());
                continue;
            }
            Query::Stop => return,
        };
        waits.serve(asked, !queries.is_empty());
        let view = View(engine.view());
        if catch_unwind(AssertUnwindSafe(|| query(&view))).is_err() {
            tracing::error!("a read panicked");
        }
        waits.rest();
        metrics.reads.increment(1);
    }
}
