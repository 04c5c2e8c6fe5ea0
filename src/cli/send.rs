//! `restante send`: one message, and what became of it.
use super::{Outcome, device};
use crate::identity::Address;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Send a text or a file, and say what became of it
#[derive(Debug, Args)]
#[command(after_help = "\
The last line says `delivered`, `stored` (the receiver is offline, the message is on disk) or
`refused` and why. The exit code is 0 for the first two and 3 for the last.

Examples:
  restante send --from alice --password wonder --to bob --text 'See you at eight'
  restante send --from alice --password wonder --to bob --file holiday.mp4 --type video/mp4
  echo 'from a pipe' | restante send --from alice --password wonder --to bob --file -")]
pub(super) struct Arguments {
    /// Who sends
    #[arg(long, value_name = "USER", value_parser = device::user)]
    from: Address,
    /// Whom it is for
    #[arg(long, value_name = "USER", value_parser = device::user)]
    to: Address,
    #[command(flatten)]
    what: What,
    /// Media type [default: text/plain for a text, by its name for a file]
    #[arg(long = "type", value_name = "TYPE")]
    content_type: Option<String>,
    /// A subject line
    #[arg(long)]
    subject: Option<String>,
    /// Identifier of the message; sending the same one again stores it once
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// How it travels: one SIP MESSAGE, an MSRP channel, or whichever fits
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    #[command(flatten)]
    login: device::Login,
}

/// What is sent.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The text to send
    #[arg(long)]
    text: Option<String>,
    /// The file to send; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Auto,
    Pager,
    Channel,
}
