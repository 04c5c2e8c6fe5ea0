use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

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

/// Sends the log of this process to standard error; standard output is for answers.
///
/// Errors: `Filter` for an unreadable filter, `Taken` if a log is set up already.
pub fn init(config: &Config) -> Result<(), LogError> {
    let filter = EnvFilter::builder().parse(&config.filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let outcome = match config.format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    outcome.map_err(|_| LogError::Taken)
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
}
