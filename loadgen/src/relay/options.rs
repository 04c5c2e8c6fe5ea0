//! The command line of `loadgen relay`.
use super::letter::Range;
use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// What `loadgen relay --help` ends with.
pub const EXAMPLES: &str = "\
Examples:

  No server at all: what the generator and the machine can do
    loadgen relay --target 127.0.0.1:7001 --pairs 100 --window 4

  A TCP forwarder on 7101 with 127.0.0.1:7001 behind it, and what it costs
    loadgen relay --target 127.0.0.1:7101 --pairs 100 --window 4 --size 2KiB \\
      --server-pid $(pgrep -x haproxy)

  An MSRP relay: senders and receivers log in at it (default), or only receivers do
    loadgen relay --via relay --target 127.0.0.1:2855 --user alice --password secret
    loadgen relay --via relay --ends one --target 127.0.0.1:2855 --user alice --password secret

  How much a relay takes when nobody waits for anything
    loadgen relay --via relay --target 127.0.0.1:2855 --user alice --password secret \\
      --pairs 8 --window 0 --failure-report no --size 200 --duration 10s

  Two relays in a row and one large message in small chunks
    loadgen relay --relay 127.0.0.1:2855 --relay 127.0.0.1:2856 --users accounts.txt \\
      --pairs 1 --messages 1 --size 1GiB --chunk 64KiB

  Do receivers who stop reading hurt the others? What does an idle session weigh?
    loadgen relay --via relay --target 127.0.0.1:2855 --users accounts.txt --stalled 5
    loadgen relay --via relay --target 127.0.0.1:2855 --users accounts.txt --idle 5000 \\
      --server-pid $(pgrep -x restante)

  The same over TLS; the certificate is for receivers whom a forwarder connects to
    loadgen relay --target 127.0.0.1:7102 --tls-trust ca.pem --tls-certificate cert.pem \\
      --tls-key key.pem

The exit code is 0 only if nothing was lost, doubled, changed or refused.";

/// How messages reach their receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// Senders connect to --target; what listens there connects to --receiver-listen
    Forward,
    /// Clients log in at the MSRP relay at --target
    Relay,
}

/// Who logs in at the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ends {
    /// Senders and receivers
    Both,
    /// Receivers; senders connect to the relay as strangers
    #[value(alias = "receiver")]
    One,
    /// Senders; the relay connects to the receivers
    Sender,
}

/// Whether senders hear of failures, and so of successes of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailureReport {
    /// Every chunk is answered
    Yes,
    /// Only failures are answered
    Partial,
    /// Nothing is answered
    No,
}

/// Options of `loadgen relay`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    #[command(flatten)]
    pub way: Way,
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub tls: Tls,
    #[command(flatten)]
    pub output: Output,
}

/// The way messages take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Way")]
pub struct Way {
    /// How messages reach their receivers
    #[arg(long, value_enum, default_value_t = Via::Forward)]
    pub via: Via,
    /// The server under test
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7101")]
    pub target: SocketAddr,
    /// Where receivers listen whom the server connects to
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7001")]
    pub receiver_listen: SocketAddr,
    /// Ports they listen on, from that one up, when a relay connects to them; a relay has one
    /// connection to each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub receiver_ports: u16,
    /// Who logs in at the relay
    #[arg(long, value_enum, default_value_t = Ends::Both)]
    pub ends: Ends,
    /// Relays in a row, instead of --target: senders log in at the first, receivers at the second
    #[arg(long, value_name = "ADDRESS", num_args = 1)]
    pub relay: Vec<SocketAddr>,
}

/// How much of what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// Pairs of a sender and a receiver, each with connections of its own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub pairs: u32,
    /// Messages in all
    #[arg(long, value_name = "M", conflicts_with = "duration")]
    pub messages: Option<u64>,
    /// How long to send [default: 5s, without --messages]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Octets of a message
    #[arg(long, value_name = "SIZE", default_value = "2KiB")]
    pub size: ByteSize,
    /// Octets of a chunk, at most
    #[arg(long, value_name = "SIZE", default_value = "64KiB")]
    pub chunk: ByteSize,
    /// How chunks tell their Byte-Range
    #[arg(long, value_enum, default_value_t = Range::Exact)]
    pub range: Range,
    /// Messages of one pair in flight: sent, and not yet received whole, answered and reported;
    /// 0 for as many as the connection takes
    #[arg(long, value_name = "W", default_value_t = 4)]
    pub window: u64,
    /// Messages a second in all, evenly spread over the pairs [default: as the window allows]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// What senders want to hear of failures
    #[arg(long, value_enum, default_value_t = FailureReport::Yes)]
    pub failure_report: FailureReport,
    /// Receivers report success, end to end
    #[arg(long)]
    pub success_report: bool,
    /// Messages of each pair before anything is measured
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub warm_up: u64,
    /// Receivers who stop reading for --stall-time while everybody sends; the others are compared
    /// with a run before
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub stalled: u32,
    /// How long they do
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub stall_time: Duration,
    /// Send nothing: log so many clients in, and tell what each of them weighs
    #[arg(long, value_name = "N")]
    pub idle: Option<u32>,
    /// Threads that play the clients
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Seconds in which nothing arrives, after which what is outstanding counts as lost
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub patience: u64,
}

/// How clients log in at relays.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// Name of the user as whom all clients log in
    #[arg(long, value_name = "NAME", default_value = "relay0001")]
    pub user: String,
    /// Password of the user
    #[arg(
        long,
        value_name = "PASSWORD",
        default_value = "secret",
        env = "LOADGEN_PASSWORD",
        hide_env_values = true
    )]
    pub password: String,
    /// Users who take turns: a file of lines `NAME PASSWORD`
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// Leave `uri=` out of Authorization, as RFC 4976 writes it
    #[arg(long)]
    pub no_digest_uri: bool,
}

/// TLS under every connection.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct Tls {
    /// Speak TLS, and believe the issuers in this file (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_trust: Option<PathBuf>,
    /// Certificate of receivers who listen (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_trust"])]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

/// What is told, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Process whose processor time and memory are told, with its children; may be repeated
    #[arg(long, value_name = "PID")]
    pub server_pid: Vec<u32>,
    /// Write the figures to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write everything to this file too, as a page with charts that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// No progress
    #[arg(long, short)]
    pub quiet: bool,
}
