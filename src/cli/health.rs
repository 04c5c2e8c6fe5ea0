//! `restante health`: whether the server takes requests.
use super::{Outcome, Place};
use clap::Args;
use std::{process::ExitCode, time::Duration};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Say whether the server takes requests
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what the server says of itself: ready, starting, draining, or that the store takes nothing.
Exit codes: 0 ready, 1 not ready or nobody there. For health checks of containers and the like.

Examples:
  restante health
  restante health --live                             whether it runs at all
  RESTANTE_HTTP__LISTEN=127.0.0.1:9090 restante health")]
pub(super) struct Arguments {
    /// Ask only whether the process answers
    #[arg(long)]
    live: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Outcome {
    let server = place.load()?.http.listen;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let probe = if arguments.live { "live" } else { "ready" };
    let answer = agent.get(format!("http://{server}/health/{probe}")).call();
    let mut answer = answer.map_err(|error| format!("no server at http://{server}: {error}"))?;
    print!("{}", answer.body_mut().read_to_string()?);
    Ok(match answer.status().is_success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
