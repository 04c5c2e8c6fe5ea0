//! `restante config`: what the configuration says.
use super::{Outcome, Place};
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Check or show the configuration
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  restante config show > restante.toml             a file to start from
  restante config check --config restante.toml     would a server start with it?")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read file and environment, and say whether a server would start with them
    #[command(after_help = "Example:\n  restante config check --config restante.toml")]
    Check,
    /// Print everything that is in force, as a configuration file
    #[command(after_help = "Examples:
  restante config show > restante.toml             a file to start from
  RESTANTE_HTTP__LISTEN=0.0.0.0:80 restante config show")]
    Show,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Outcome {
    let config = place.load()?;
    match arguments.action {
        Action::Check => println!("the configuration is fine"),
        Action::Show => print!("{}", config.to_toml()),
    }
    Ok(ExitCode::SUCCESS)
}
