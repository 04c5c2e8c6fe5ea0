//! `restante queue`: what waits, for whom.
use super::{Outcome, Place, office::Office, person, table::Form};
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// List, show and purge what waits for offline subscribers
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

Examples:
  restante queue list                 every recipient for whom something waits
  restante queue show bob             Bob's messages, oldest first
  restante queue purge bob            give them up; each sender's trace says so")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List every recipient for whom something waits
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show the messages that wait for one recipient
    Show {
        /// The recipient
        user: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove everything that waits for one recipient
    Purge {
        /// The recipient
        user: String,
    },
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    match arguments.action {
        Action::List { form } => {
            let heading = ["RECIPIENT", "MESSAGES", "SIZE"];
            form.print(&office.queues()?, heading, |queue| {
                let size = ByteSize::b(queue.octets).to_string();
                [queue.recipient.clone(), queue.count.to_string(), size]
            })?;
        }
        Action::Show { user, form } => {
            let heading = [
                "MESSAGE-ID",
                "FROM",
                "TYPE",
                "SIZE",
                "STATE",
                "STORED",
                "EXPIRES",
            ];
            form.print(&office.queue(&person::parse(&user)?)?, heading, |entry| {
                [
                    entry.message_id.clone(),
                    entry.sender.clone(),
                    entry.content_type.clone(),
                    ByteSize::b(entry.size).to_string(),
                    entry.state.clone(),
                    entry.stored.clone(),
                    entry.expires.clone(),
                ]
            })?;
        }
        Action::Purge { user } => {
            let recipient = person::parse(&user)?;
            let purged = office.purge(&recipient)?;
            println!("removed {} messages for {recipient}", purged.messages);
        }
    }
    Ok(ExitCode::SUCCESS)
}
