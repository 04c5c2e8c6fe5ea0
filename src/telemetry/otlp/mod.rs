//! Spans for a collector of traces, by OTLP over HTTP with protobuf.
//!
//! The spans are those of the trail of a message (`trail`). They are sent in batches by a thread of
//! their own; a collector that is slow or away costs spans, never messages.
mod client;
mod config;
mod exporter;

pub use config::Config;

use crate::trail;
use client::Client;
use exporter::Counted;
use opentelemetry::{KeyValue, SpanId, TraceId, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, Sampler, SdkTracer,
        SdkTracerProvider,
    },
};

/// What makes spans and sends them.
pub(super) struct Exporter {
    provider: SdkTracerProvider,
}

impl Exporter {
    /// Starts the thread that sends, if there is a collector.
    ///
    /// Errors: what the exporter says of its endpoint.
    pub fn start(config: &Config, node: &str) -> Result<Option<Self>, String> {
        let Some(endpoint) = config.traces() else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(config.timeout))
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(config.timeout)
            .build();
        let exporter = exporter.map_err(|error| format!("`otlp.endpoint`: {error}"))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue)
            .with_scheduled_delay(config.every)
            .build();
        let processor =
            BatchSpanProcessor::builder(Counted::new(exporter)).with_batch_config(batches);
        let resource = Resource::builder_empty()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.instance.id", node.to_owned()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor.build())
            // by the id of the trace alone, so that all servers choose the same traces
            .with_sampler(Sampler::TraceIdRatioBased(config.sample))
            .with_id_generator(Ids::default())
            .with_resource(resource.build())
            .build();
        Ok(Some(Self { provider }))
    }

    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("restante")
    }

    /// Sends what is left, and ends the thread.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "spans were not all exported");
        }
    }
}

/// Ids by chance, but for the traces of messages.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        match trail::next_trace_id() {
            Some(id) => TraceId::from_bytes(id.to_be_bytes()),
            None => self.0.new_trace_id(),
        }
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
