use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an operator may set for the collector of traces: the `[otlp]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The collector: `http://host:port`, or with the path of its traces where that is not
    /// `/v1/traces`. Nothing is exported if not set.
    pub endpoint: Option<String>,
    /// The part of all traces that is exported, 0 to 1. Servers with the same part choose the same
    /// traces.
    pub sample: f64,
    /// The name of the service in the traces.
    pub service: String,
    /// How long spans wait for more of them, to go together.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long the collector may take for an answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Spans that may wait for the collector; what is more is left out.
    pub queue: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample: 1.0,
            service: "restante".to_owned(),
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            queue: 8192,
        }
    }
}

impl Config {
    /// Checks that the values make sense.
    ///
    /// Errors: the key that does not, and what it must be.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_http = |url: &String| {
            let host = url.strip_prefix("http://").unwrap_or_default();
            !host.is_empty() && !host.starts_with('/') && !url.contains(char::is_whitespace)
        };
        if !self.endpoint.as_ref().is_none_or(is_http) {
            return Err((
                "otlp.endpoint",
                "http://host:port (a collector elsewhere is reached through one nearby)",
            ));
        }
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(("otlp.sample", "from 0 to 1"));
        }
        match self.queue {
            0 => Err(("otlp.queue", "at least 1")),
            _ => Ok(()),
        }
    }

    /// Where the traces go.
    pub(super) fn traces(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?.trim_end_matches('/');
        let has_path = endpoint.trim_start_matches("http://").contains('/');
        Some(match has_path {
            true => endpoint.to_owned(),
            false => format!("{endpoint}/v1/traces"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> Config {
        Config {
            endpoint: Some(endpoint.to_owned()),
            ..Config::default()
        }
    }

    #[test]
    fn traces_go_to_the_usual_path_unless_another_is_told() {
        for (endpoint, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("http://tempo/otlp/v1/traces", "http://tempo/otlp/v1/traces"),
        ] {
            assert_eq!(at(endpoint).traces().as_deref(), Some(traces));
            assert_eq!(at(endpoint).check(), Ok(()));
        }
    }

    #[test]
    fn endpoint_that_is_no_http_url_is_refused() {
        for endpoint in [
            "",
            "collector:4317",
            "grpc://x:4317",
            "http://",
            "http:///v1",
        ] {
            assert_eq!(
                at(endpoint).check().unwrap_err().0,
                "otlp.endpoint",
                "{endpoint}"
            );
        }
        let sample = Config {
            sample: 1.5,
            ..Config::default()
        };
        assert_eq!(sample.check(), Err(("otlp.sample", "from 0 to 1")));
    }
}
