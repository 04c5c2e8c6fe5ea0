use super::otlp::Exporter;
use crate::trail::TARGET;
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    filter::Targets,
    fmt::{
        self, FmtContext, FormatEvent, FormatFields,
        format::{JsonFields, Writer},
    },
    layer::{Layer, SubscriberExt},
    registry,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// What an operator may set for the log: the `[log]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is logged: a level, or a list like `info,restante::sip=debug`.
    pub filter: String,
    /// How a line looks.
    pub format: Format,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("`log.filter` must be a level or a list of target=level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Spans cannot be exported as the configuration says.
    #[error("{0}")]
    Exporter(String),
    /// Somebody set up a log before.
    #[error("a log is set up already")]
    Taken,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            filter: "info,fjall=warn,lsm_tree=warn,actix_server=warn".to_owned(),
            format: Format::default(),
        }
    }
}

impl Config {
    /// Checks what can be checked without setting anything up.
    ///
    /// Errors: `Filter` if the filter cannot be read.
    pub fn check(&self) -> Result<(), LogError> {
        EnvFilter::builder().parse(&self.filter)?;
        Ok(())
    }
}

/// What is to be ended when the process ends.
pub struct Telemetry {
    exporter: Option<Exporter>,
}

/// Sends the log of this process to standard error, as standard output is for answers, and its
/// spans to the collector of traces if there is one. To be called when metrics are recorded.
///
/// Errors: `Filter` for an unreadable filter, `Exporter` for an unusable collector, `Taken` if a
/// log is set up already.
pub fn init(config: &crate::config::Config) -> Result<Telemetry, LogError> {
    let node = config.node_name();
    let filter = EnvFilter::builder().parse(&config.log.filter)?;
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match config.log.format {
        Format::Text => lines.boxed(),
        Format::Json => lines
            .event_format(Named::new(&node))
            .fmt_fields(JsonFields::new())
            .boxed(),
    };
    let exporter = Exporter::start(&config.otlp, &node).map_err(LogError::Exporter)?;
    let outcome = match &exporter {
        None => registry().with(lines).with(filter).try_init(),
        Some(exporter) => {
            let wanted = Targets::new().with_target(TARGET, Level::DEBUG);
            let spans = tracing_opentelemetry::layer()
                .with_tracer(exporter.tracer())
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false);
            let lines = registry().with(lines.with_filter(filter));
            lines.with(spans.with_filter(wanted)).try_init()
        }
    };
    outcome.map_err(|_| LogError::Taken)?;
    Ok(Telemetry { exporter })
}

impl Telemetry {
    /// Sends what still waits to be exported.
    pub fn stop(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.stop();
        }
    }
}

/// Lines of JSON that begin with the name of the node.
struct Named {
    line: fmt::format::Format<fmt::format::Json>,
    /// As JSON.
    node: String,
}

impl Named {
    fn new(node: &str) -> Self {
        Self {
            line: fmt::format()
                .json()
                .flatten_event(true)
                .with_current_span(false),
            node: serde_json::Value::from(node).to_string(),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Named
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = String::new();
        self.line
            .format_event(context, Writer::new(&mut line), event)?;
        let rest = line.strip_prefix('{').unwrap_or(&line);
        write!(writer, "{{\"node\":{},{rest}", self.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_filter_is_refused_by_its_key() {
        let config = Config {
            filter: "restante=loud".into(),
            ..Config::default()
        };
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("log.filter"), "{error}");
    }

    #[test]
    fn line_of_json_begins_with_its_node() {
        #[derive(Clone, Default)]
        struct Page(std::sync::Arc<parking_lot::Mutex<Vec<u8>>>);
        impl std::io::Write for Page {
            fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
                self.0.lock().write(octets)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        let to = page.clone();
        let lines = fmt::layer()
            .event_format(Named::new("PF-\"A\""))
            .fmt_fields(JsonFields::new())
            .with_writer(move || to.clone());
        tracing::subscriber::with_default(registry().with(lines), || {
            let span = tracing::info_span!("request", call_id = "c1");
            span.in_scope(|| tracing::info!(message_id = "m1", "stored"));
        });
        let page = page.0.lock().clone();
        let line: serde_json::Value = serde_json::from_slice(&page).unwrap();
        assert_eq!(line["node"], "PF-\"A\"");
        assert_eq!(
            (&line["message"], &line["message_id"]),
            (&"stored".into(), &"m1".into())
        );
        assert_eq!(line["spans"][0]["call_id"], "c1");
    }
}
