//! The command line.
use crate::plan::{Plan, Sizes};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

const EXAMPLES: &str = "\
Examples, against a `restante serve` with its defaults on this machine:

  A first look: 20 users, half of them offline, 200 messages of 2 KiB
    loadgen send-and-retrieve --users 20 --messages 200 --size 2KiB

  The server's capacity to store, with what it costs the server
    loadgen offline-send --users 1000 --messages 20000 --server-pid $(pgrep -x restante)

  Fill the mailboxes today, empty them tomorrow, judge both together
    loadgen offline-send --users 100 --messages 5000 --ledger monday.json
    loadgen retrieve --ledger monday.json

  Messages of every size up to 5 MiB, from 8 clients
    loadgen send-and-retrieve --users 16 --messages 100 --size 1..5MiB

The exit code is 0 only if no acknowledged message was lost, none came twice and none was changed.";

/// Drives many concurrent clients against a Restante server and keeps a ledger of every message.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Scenario(Scenario),
    /// Senders and receivers on the two sides of an MSRP relay or a TCP forwarder.
    ///
    /// Both are played here, so every message is followed from its first octet to its last. Tells
    /// rates, latencies, and what passing the messages on costs the server.
    Relay(crate::relay::options::Options),
    /// Messages to receivers who are away, over channels, and their way to them afterwards.
    ///
    /// Tells what taking a message in durably costs the server, and what handing it over does.
    Deferred(crate::deferred::options::Options),
    /// The same load on an XMPP server that keeps messages for those who are away.
    Xmpp(crate::deferred::options::XmppOptions),
    /// Long runs on the deferred function itself: much that waits, much that comes and goes, starts.
    Store {
        /// What to do.
        #[command(subcommand)]
        command: crate::store::options::Command,
    },
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Half of the users log in and send to the other half, who never log in.
    OfflineSend(Options),
    /// Receivers log in and take what an earlier offline-send left for them.
    ///
    /// Give the ledger which that run wrote, or repeat its --seed, --users, --offline,
    /// --messages and --size; without a ledger all messages count as acknowledged.
    Retrieve(Options),
    /// Senders send to receivers who are offline; then the receivers log in and drain.
    SendAndRetrieve(Options),
}

impl Scenario {
    /// The scenario's name, as typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OfflineSend(_) => "offline-send",
            Self::Retrieve(_) => "retrieve",
            Self::SendAndRetrieve(_) => "send-and-retrieve",
        }
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        match self {
            Self::OfflineSend(options)
            | Self::Retrieve(options)
            | Self::SendAndRetrieve(options) => options,
        }
    }
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// By its size: SIP MESSAGE where it fits, a channel otherwise.
    Auto,
    /// As one SIP MESSAGE.
    Pager,
    /// Over an MSRP channel.
    Channel,
}

impl Mode {
    /// The mode's name, as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Pager => "pager",
            Self::Channel => "channel",
        }
    }
}

/// Options of every scenario.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    pub load: Load,
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub output: Output,
}

/// How much of what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// Users in all, senders and receivers together
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub users: u32,
    /// How many of them receive, and are offline while the others send [default: half of them]
    #[arg(long, value_name = "M")]
    pub offline: Option<u32>,
    /// Messages in all; senders take turns, receivers are drawn by the seed
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub messages: u64,
    /// Size of a message, or a range of sizes such as 1KiB..64KiB (each order of magnitude equally
    /// often)
    #[arg(long, value_name = "SIZE", default_value = "2KiB")]
    pub size: Sizes,
    /// How messages travel
    #[arg(long, value_enum, default_value_t = Mode::Channel)]
    pub mode: Mode,
    /// Clients at work at the same time; each waits for its answer before it goes on
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// Threads that play the clients
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Names the run and makes its contents [default: drawn]. Repeated against the same server, a
    /// seed's messages are the same messages, which the server then has already
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Times a message is sent again when no answer came
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub retries: u32,
    /// Seconds without any delivery after which what is still outstanding counts as lost
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub patience: u64,
}

/// Which server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct Server {
    /// Where the server speaks SIP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5060")]
    pub sip: SocketAddr,
    /// Where the server offers its admin API, by which the users are made
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Domain of the users
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub domain: String,
    /// Speak SIP over TCP instead of UDP
    #[arg(long)]
    pub tcp: bool,
    /// Own address, as the server sees it
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub local: IpAddr,
    /// Bearer token of the admin API [default: read from DATA/admin.token]
    #[arg(
        long,
        value_name = "TOKEN",
        env = "RESTANTE_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// The server's data directory, for its admin.token [default: where `restante serve` keeps it]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Process whose processor time and memory are told [default: found by its name, if there is
    /// exactly one]
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// The users exist already: do not make them
    #[arg(long)]
    pub no_provisioning: bool,
}

/// What is told, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Write the figures to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the ledger here: offline-send and send-and-retrieve write it, retrieve reads it first
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// No progress
    #[arg(long, short)]
    pub quiet: bool,
}

impl Load {
    /// The plan these options make with `drawn` as seed where none is given.
    ///
    /// Errors: a sentence for the user if nobody is left to send or to receive.
    pub fn plan(&self, drawn: u64) -> Result<Plan, String> {
        let offline = self.offline.unwrap_or(self.users / 2);
        if offline == 0 || offline >= self.users {
            let advice = "at least one user has to receive and one to send";
            return Err(format!(
                "--offline {offline} of --users {}: {advice}",
                self.users
            ));
        }
        Ok(Plan {
            seed: self.seed.unwrap_or(drawn),
            senders: (self.users - offline) as usize,
            receivers: offline as usize,
            messages: self.messages,
            sizes: self.size.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn options(line: &str) -> Options {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Scenario(scenario) => scenario.options().clone(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn defaults_meet_a_server_with_its_defaults() {
        let options =
            options("loadgen send-and-retrieve --users 1000 --messages 10000 --size 2KiB");
        assert_eq!(options.server.sip.to_string(), "127.0.0.1:5060");
        assert_eq!(options.server.http.to_string(), "127.0.0.1:8080");
        let plan = options.load.plan(7).unwrap();
        assert_eq!((plan.senders, plan.receivers), (500, 500));
        assert_eq!((plan.seed, plan.messages), (7, 10_000));
        assert_eq!(plan.sizes, Sizes::between(2048, 2048));
        assert_eq!(options.load.mode, Mode::Channel);
    }

    #[test]
    fn given_seed_and_offline_count_are_taken() {
        let options = options("loadgen offline-send --users 10 --offline 9 --seed 5");
        let plan = options.load.plan(7).unwrap();
        assert_eq!((plan.seed, plan.senders, plan.receivers), (5, 1, 9));
    }

    #[test]
    fn load_without_sender_or_receiver_is_refused() {
        for offline in [0, 10, 11] {
            let line = format!("loadgen offline-send --users 10 --offline {offline}");
            assert!(
                options(&line)
                    .load
                    .plan(1)
                    .unwrap_err()
                    .contains("--offline")
            );
        }
        assert!(Arguments::try_parse_from(["loadgen", "retrieve", "--users", "1"]).is_err());
    }
}
