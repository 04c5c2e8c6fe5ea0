//! `restante openapi`: the admin API, told to programs.
use super::Outcome;
use crate::http;
use clap::Args;
use std::{io::Write, process::ExitCode};

/// Print the OpenAPI document of the admin API
#[derive(Debug, Args)]
#[command(after_help = "\
Needs no server. A running one gives the same document at /api/v1/openapi.json.

Example:
  restante openapi > restante-api.json    for code generators, API browsers and tests")]
pub(super) struct Arguments {}

pub(super) fn run() -> Outcome {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &http::openapi())?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
