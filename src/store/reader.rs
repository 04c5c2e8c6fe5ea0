//! The threads that read. Each read sees one picture of the store and never waits for the writer.
use super::{Engine, View, metrics::Metrics};
use crossbeam::channel::Receiver;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

pub(super) enum Query {
    Run(Box<dyn FnOnce(&View<'_>) + Send>),
    Stop,
}

/// Serves until it is told to stop or nobody can ask any more.
pub(super) fn run(engine: Arc<dyn Engine>, queries: Receiver<Query>, metrics: Metrics) {
    while let Ok(Query::Run(query)) = queries.recv() {
        let view = View(engine.view());
        if catch_unwind(AssertUnwindSafe(|| query(&view))).is_err() {
            tracing::error!("a read panicked");
        }
        metrics.reads.increment(1);
    }
}
