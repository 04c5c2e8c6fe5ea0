//! `restante serve`: the server.
use super::{Outcome, Place};
use clap::Args;

/// Run the server
#[derive(Debug, Args)]
#[command(after_help = "\
Prints one line when it is ready:
  ready sip=127.0.0.1:5060 msrp=127.0.0.1:2855 http=127.0.0.1:8080

SIGTERM and Ctrl-C drain: nothing new is taken, what is under way may end (server.grace).
SIGHUP reads the keys of the MSRP relay anew (`restante relay-keys --help`).
The log goes to standard error (log.filter, log.format).

Examples:
  restante serve                                     loopback, data in ./restante-data
  restante serve --config restante.toml --data /var/lib/restante
  RESTANTE_SIP__LISTEN=0.0.0.0:5060 restante serve
  curl -s localhost:8080/metrics | grep restante_")]
pub(super) struct Arguments {
    /// Drain and end when standard input closes, too: for programs that start a server of their
    /// own, so that it does not outlive them
    #[arg(long)]
    while_stdin_open: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Outcome {
    crate::app::serve(place.load()?, arguments.while_stdin_open)
}
