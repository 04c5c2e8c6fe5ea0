//! The command line: one file per subcommand.
//!
//! `serve` is the server, `health` asks whether it takes requests. `subscriber`, `group`, `queue`,
//! `message`, `trace` and `store` are the operator's desk: they speak to the running server, or open
//! its store themselves while none runs; `relay-keys` works on the file of the relay's keys;
//! `openapi` tells programs what the desk can do. `send`, `receive` and `deferred` are a client
//! device. `demo` shows all of it at once.
pub mod child;
mod config;
mod deferred;
mod demo;
mod desk;
mod device;
mod documents;
mod group;
mod health;
pub mod loopback;
mod media;
mod message;
mod office;
mod openapi;
mod person;
mod queue;
mod receive;
mod relay_keys;
mod report;
mod send;
mod serve;
mod store;
mod subscriber;
mod table;
mod trace;

use crate::client::ClientError;
use clap::{Parser, Subcommand};
use std::{error::Error, path::PathBuf, process::ExitCode};

/// What a subcommand comes to: the exit code, or the failure to tell the user about.
type Outcome = Result<ExitCode, Box<dyn Error>>;

/// The exit code where the other side refused.
const REFUSED: u8 = 3;

const FIRST_STEPS: &str = "\
First steps:
  restante demo                                    see it all happen, needs nothing
  restante serve                                   the server, on loopback, data in ./restante-data
  restante subscriber add alice --password wonder  make two users …
  restante subscriber add bob --password builder
  restante send --from alice --password wonder --to bob --text 'See you at eight'
  restante queue list                              … bob is away: his message waits
  restante receive --as bob --password builder     … bob logs in: here it is

Users may be written as `alice` (meaning sip:alice@localhost), as `alice@example.com`, or as a
full `sip:` or `tel:` URI.

Settings: one TOML file (--config), a table per room, every key with a default; overridden by
RESTANTE_SECTION__KEY in the environment. `restante config show` prints what is in force.

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 refused by the other side.";

/// Deferred messaging for SIP/SIMPLE and RCS networks.
///
/// A message to someone who is offline is kept durably and handed over when its reader is back.
#[derive(Debug, Parser)]
#[command(name = "restante", version, after_help = FIRST_STEPS, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration and the data of the server are.
#[derive(Clone, Debug, Default, clap::Args)]
struct Place {
    /// Configuration file (TOML). Without it, the defaults are in force.
    #[arg(long, global = true, value_name = "FILE", env = "RESTANTE_CONFIG")]
    config: Option<PathBuf>,
    /// Data folder of the server [default: server.data of the configuration, ./restante-data]
    #[arg(long, global = true, value_name = "DIR", env = "RESTANTE_DATA")]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Health(health::Arguments),
    Subscriber(subscriber::Arguments),
    Group(group::Arguments),
    Send(Box<send::Arguments>),
    Receive(receive::Arguments),
    Deferred(deferred::Arguments),
    Queue(queue::Arguments),
    Message(message::Arguments),
    Trace(trace::Arguments),
    Store(store::Arguments),
    RelayKeys(relay_keys::Arguments),
    Demo(demo::Arguments),
    Config(config::Arguments),
    Openapi(openapi::Arguments),
    #[command(hide = true)]
    Documents(documents::Arguments),
}

/// Does what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    let place = &cli.place;
    let outcome = match cli.command {
        Command::Serve(arguments) => serve::run(place, &arguments),
        Command::Health(arguments) => health::run(place, &arguments),
        Command::Subscriber(arguments) => subscriber::run(place, arguments),
        Command::Group(arguments) => group::run(place, arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Receive(arguments) => receive::run(&arguments),
        Command::Deferred(arguments) => deferred::run(arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Queue(arguments) => queue::run(place, arguments),
        Command::Message(arguments) => message::run(place, arguments),
        Command::Store(arguments) => store::run(place, arguments),
        Command::Trace(arguments) => trace::run(place, arguments),
        Command::RelayKeys(arguments) => relay_keys::run(place, arguments),
        Command::Config(arguments) => config::run(place, &arguments),
        Command::Openapi(_) => openapi::run(),
        Command::Documents(arguments) => documents::run(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        complain(failure.as_ref());
        ExitCode::FAILURE
    })
}

/// Tells the user what failed, why, and what may help.
fn complain(failure: &(dyn Error + 'static)) {
    eprintln!("restante: {failure}");
    let mut cause = failure.source();
    while let Some(deeper) = cause {
        eprintln!("  because: {deeper}");
        cause = deeper.source();
    }
    let silence = matches!(
        failure.downcast_ref(),
        Some(ClientError::TimedOut(_) | ClientError::Connection(_))
    );
    if silence {
        eprintln!("  is a server running? `restante serve` starts one; --server says where it is");
    }
}

impl Place {
    /// The configuration in force: file, environment, and `--data`.
    fn load(&self) -> Result<crate::config::Config, crate::config::ConfigError> {
        let mut config = crate::config::Config::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.server.data.clone_from(data);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
