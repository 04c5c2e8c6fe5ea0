//! The command line.
mod load;
mod server;
mod times;

pub use load::{Churn, Groups, Load, Mode};
pub use server::Server;
pub use times::time;

use crate::scenario::Scenario;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples, against a `restante serve` with its defaults on this machine:

  A first look: 20 users, half of them offline, 200 messages of 2 KiB
    loadgen send-and-retrieve --users 20 --messages 200 --size 2KiB

  The server's capacity to store, with what it costs the server
    loadgen offline-send --users 1000 --messages 20000 --server-pid $(pgrep -x restante)

  Fill the mailboxes today, empty them tomorrow, judge both together
    loadgen offline-send --users 100 --messages 5000 --ledger monday.ledger
    loadgen retrieve --ledger monday.ledger

  Messages of every size up to 5 MiB, from 8 clients; then what people really send
    loadgen send-and-retrieve --users 16 --messages 100 --size 1..5MiB
    loadgen send-and-retrieve --users 1000 --size 80%:200B,15%:2KiB,5%:1MiB

  By schedule, whatever the answers: 500 a second for a minute, while a tenth of the receivers
  comes and goes
    loadgen send-and-retrieve --users 1000 --rate 500/s --duration 60s --ramp-up 10s --churn 10%

  A server of its own that is killed every 5 seconds
    loadgen send-and-retrieve --users 100 --duration 2m --spawn --kill-server-every 5s

  Several phases, one after the other (see loadgen/scenarios)
    loadgen run loadgen/scenarios/morning.toml

  Charts of a run; then two runs side by side
    loadgen send-and-retrieve --users 1000 --html run.html --json after.json
    loadgen html before.json after.json --output change.html

The exit code is 0 only if no acknowledged message was lost, none came twice and none was changed.";

/// Drives many concurrent clients against a Restante server and keeps a ledger of every message.
#[derive(Debug, Parser)]
#[command(
    name = "loadgen",
    version,
    about,
    after_help = EXAMPLES,
    max_term_width = 100,
    args_override_self = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Scenario(Chosen),
    /// Phases of a scenario file, one after the other, with one ledger.
    ///
    /// Every option of the scenarios is a key of the file, without its dashes. What stands above
    /// the first `[[phase]]` is for all of them; `scenario` names what a phase does.
    Run {
        /// The file, in TOML
        file: PathBuf,
        /// Options that come before those of the file, such as --users 50
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "OPTIONS"
        )]
        options: Vec<String>,
    },
    /// What the ledger of an earlier run comes to.
    ///
    /// The exit code is that of the run itself: 0 only if nothing was lost, duplicated or changed.
    Judge {
        /// The ledger
        file: PathBuf,
    },
    /// The page of a run, or of several side by side, from what --json kept.
    Html(crate::report::file::Options),
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

/// The scenario chosen, with its options.
#[derive(Clone, Debug, Subcommand)]
pub enum Chosen {
    /// Half of the users log in and send to the other half, who never log in.
    OfflineSend(Options),
    /// Receivers log in and take what an earlier offline-send left for them.
    ///
    /// Give the ledger which that run wrote, or repeat its --seed, --users, --offline,
    /// --messages and --size; without a ledger all messages count as acknowledged.
    Retrieve(Options),
    /// Senders send to receivers who are offline; then the receivers log in and drain.
    ///
    /// With --churn a part of the receivers logs in and out while messages travel.
    SendAndRetrieve(Options),
    /// Everybody is logged in and sends short messages to anybody else, as SIP MESSAGE.
    Pager(Options),
    /// Users log in, refresh their logins and log out, with digest; --messages counts these.
    Register(Options),
    /// Messages to groups, of whose members a part is offline; then these log in and drain.
    Group(Options),
}

impl Chosen {
    /// The scenario.
    pub fn scenario(&self) -> Scenario {
        match self {
            Self::OfflineSend(_) => Scenario::OfflineSend,
            Self::Retrieve(_) => Scenario::Retrieve,
            Self::SendAndRetrieve(_) => Scenario::SendAndRetrieve,
            Self::Pager(_) => Scenario::Pager,
            Self::Register(_) => Scenario::Register,
            Self::Group(_) => Scenario::Group,
        }
    }

    /// Its options.
    pub fn options(&self) -> &Options {
        match self {
            Self::OfflineSend(options)
            | Self::Retrieve(options)
            | Self::SendAndRetrieve(options)
            | Self::Pager(options)
            | Self::Register(options)
            | Self::Group(options) => options,
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

/// What is told, and where.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Write the figures to this file too, as JSON; `loadgen html` draws and compares them
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write everything to this file too, as a page with charts that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write every message down here while the run goes on; retrieve reads it first and goes on
    /// with it, `loadgen judge` tells what it comes to
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// No progress
    #[arg(long, short)]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Sizes;
    use clap::CommandFactory;

    fn options(line: &str) -> Options {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        match arguments.command {
            Command::Scenario(chosen) => chosen.options().clone(),
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
        let part = options.load.part(Scenario::SendAndRetrieve).unwrap();
        assert_eq!((part.senders, part.receivers), (500, 500));
        assert_eq!(part.messages, 10_000);
        assert_eq!(part.sizes, Sizes::between(2048, 2048));
        assert_eq!(options.load.mode(Scenario::SendAndRetrieve), Mode::Channel);
        assert_eq!(options.load.mode(Scenario::Pager), Mode::Pager);
    }

    #[test]
    fn later_options_come_before_earlier_ones() {
        let options = options("loadgen pager --users 10 --users 20 --rate 5/s --duration 1m");
        assert_eq!(options.load.users, 20);
        assert_eq!(options.load.duration.unwrap().as_secs(), 60);
    }
}
