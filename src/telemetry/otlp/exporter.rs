use metrics::{Counter, Unit, counter, describe_counter};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Counts what becomes of spans.
#[derive(Debug)]
pub(super) struct Counted<E> {
    inner: E,
    exported: Counter,
    failed: Counter,
    /// The last batch arrived.
    is_reached: AtomicBool,
}

impl<E> Counted<E> {
    pub fn new(inner: E) -> Self {
        const SPANS: &str = "restante_otlp_spans_total";
        describe_counter!(
            SPANS,
            Unit::Count,
            "Spans sent to the collector of traces, and whether it took them"
        );
        Self {
            inner,
            exported: counter!(SPANS, "outcome" => "exported"),
            failed: counter!(SPANS, "outcome" => "failed"),
            is_reached: AtomicBool::new(true),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let outcome = self.inner.export(batch).await;
        let was_reached = self.is_reached.swap(outcome.is_ok(), Ordering::Relaxed);
        match &outcome {
            Ok(()) => {
                self.exported.increment(spans);
                if !was_reached {
                    tracing::info!("the collector of traces takes spans again");
                }
            }
            Err(error) => {
                self.failed.increment(spans);
                if was_reached {
                    tracing::warn!(%error, "`otlp.endpoint` takes no spans; they are left out until it does");
                }
            }
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
