//! The command line of `loadgen store`.
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

const EXAMPLES: &str = "\
Examples:

  A look: 100 000 messages against 10 000
    loadgen store fill --messages 100000 --against 10000

  The whole thing: ten million against 100 000 (12 GB of disk, half an hour)
    loadgen store fill --messages 10000000 --against 100000

  Ten million messages come and go through a million mailboxes, 100 000 of them wait
    loadgen store churn --messages 10000000 --mailboxes 1000000 --working-set 100000

  Starts with a million messages, after a clean stop and after SIGKILL
    loadgen store restart --messages 1000000";

/// What to do.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Fills a store and tells how long accepting, listing and fetching take, against less of it.
    Fill(Fill),
    /// Puts, fetches and deletes for as long as asked, and tells whether it stays as fast.
    Churn(Churn),
    /// Fills a store, ends it, and tells how long it takes until it serves again.
    Restart(Restart),
    /// Opens a store, fills it, says so, and holds it until standard input ends.
    #[command(hide = true)]
    Hold(Restart),
}

/// What all runs have in common.
#[derive(Clone, Debug, Args)]
pub struct Store {
    /// Where the store is made; it has to be empty [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Octets of a message
    #[arg(long, value_name = "SIZE", default_value = "1KiB")]
    pub size: ByteSize,
    /// Messages on their way at the same time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// Memory for what was written and is not sorted to disk yet [default: the server's]
    #[arg(long, value_name = "SIZE")]
    pub write_buffer: Option<ByteSize>,
    /// Memory for blocks read from disk [default: the server's]
    #[arg(long, value_name = "SIZE")]
    pub cache: Option<ByteSize>,
    /// Write the figures to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// No progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// Options of `loadgen store fill`.
#[derive(Clone, Debug, Args)]
pub struct Fill {
    /// Messages that wait in the end
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: u64,
    /// Messages that wait when it is measured first
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub against: u64,
    /// Messages in each mailbox
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub per_mailbox: u64,
    /// How often each thing is done when it is measured
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub samples: u64,
    /// How many of them at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub at_once: u32,
    /// How long the store is left alone before it is measured
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub settle: Duration,
    #[command(flatten)]
    pub store: Store,
}

/// Options of `loadgen store churn`.
#[derive(Clone, Debug, Args)]
pub struct Churn {
    /// Messages in all
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub messages: u64,
    /// Mailboxes they go through
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub mailboxes: u64,
    /// Messages that wait at any time
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub working_set: u64,
    #[command(flatten)]
    pub store: Store,
}

/// Options of `loadgen store restart`.
#[derive(Clone, Debug, Args)]
pub struct Restart {
    /// Messages that wait
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub messages: u64,
    /// Messages in each mailbox
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub per_mailbox: u64,
    #[command(flatten)]
    pub store: Store,
}
