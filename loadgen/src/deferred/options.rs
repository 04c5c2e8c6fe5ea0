//! The command lines of `loadgen deferred` and `loadgen xmpp`.
pub use crate::relay::options::Output;
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

const EXAMPLES: &str = "\
Examples, against a `restante serve` with its defaults on this machine:

  256 senders, each waiting for one 200 after the other, and then all 256 receivers
    loadgen deferred --messages 50000 --server-pid $(pgrep -x restante)

  What the server can take in when nobody waits, over few channels
    loadgen deferred --senders 16 --window 32 --messages 16000

  Receivers log in, and the server calls them; or they ask for what waits (default)
    loadgen deferred --handover push

The exit code is 0 only if nothing was lost, doubled, changed or refused.";

const XMPP_EXAMPLES: &str = "\
Example, with the accounts load-0 … load-511 (passwords load-0-secret …) in the server:

    loadgen xmpp --target 127.0.0.1:5222 --messages 20000 --server-pid $(pgrep -x beam.smp)

Senders wait for the acknowledgement of XEP-0198 after each message. The exit code is 0 only if
nothing was lost, doubled, changed or refused.";

/// How messages come to those who were away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Handover {
    /// Receivers call the deferred function
    Fetch,
    /// Receivers register, and the server calls them
    Push,
}

/// Options of `loadgen deferred`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub output: Output,
}

/// Options of `loadgen xmpp`.
#[derive(Clone, Debug, Args)]
#[command(after_help = XMPP_EXAMPLES)]
pub struct XmppOptions {
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub server: XmppServer,
    #[command(flatten)]
    pub output: Output,
}

/// How much of what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// Senders; each has a receiver of its own
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub senders: u32,
    /// Messages in all
    #[arg(long, value_name = "M", default_value_t = 25_600, value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: u64,
    /// Octets of a message
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    pub size: ByteSize,
    /// Messages of one sender that may wait for their answer
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub window: u64,
    /// Messages of each sender before anything is measured
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub warm_up: u64,
    /// Receivers who take their messages at the same time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub at_once: u32,
    /// Leave the messages where they are
    #[arg(long)]
    pub no_fetch: bool,
    /// Seconds in which nothing comes, after which what is outstanding counts as lost
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub patience: u64,
}

/// Which server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct Server {
    /// Where the server speaks SIP over TCP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5060")]
    pub sip: SocketAddr,
    /// Where the server offers its admin API, by which the users are made
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Domain of the users
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub domain: String,
    /// How messages come to their receivers
    #[arg(long, value_enum, default_value_t = Handover::Fetch)]
    pub handover: Handover,
    /// The server's data directory, for its admin.token [default: where `restante serve` keeps it]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The users exist already: do not make them
    #[arg(long)]
    pub no_provisioning: bool,
}

/// Which server of XMPP.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct XmppServer {
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5222")]
    pub target: SocketAddr,
    /// Domain of the accounts
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub domain: String,
}
