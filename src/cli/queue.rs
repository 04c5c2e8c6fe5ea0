//! `restante queue`: what waits, for whom.
use super::{Outcome, Place, office::Office, person, table::Form};
use crate::http::view::MailboxView;
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use std::{error::Error, process::ExitCode, time::Duration};

/// List, show, delete and purge what waits for offline subscribers
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

Examples:
  restante queue list                 every recipient for whom something waits
  restante queue classes              the classes of service: what bounds a mailbox
  restante queue show bob             how full Bob's mailbox is, and his messages, oldest first
  restante queue delete bob 17        give up the message with this number
  restante queue purge bob            give up all of them; the trace of each says so")]
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
    /// List the classes of service, which bound the mailboxes of their subscribers
    Classes {
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
    /// Remove one message that waits for a recipient
    Delete {
        /// The recipient
        user: String,
        /// The message's number, as `show` prints it
        number: u64,
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
            form.print(&office.queues()?.items, heading, |queue| {
                let size = ByteSize::b(queue.octets).to_string();
                [queue.recipient.clone(), queue.count.to_string(), size]
            })?;
        }
        Action::Classes { form } => print_classes(&office, form)?,
        Action::Show { user, form } => {
            let mailbox = office.queue(&person::parse(&user)?)?;
            form.say(&level(&mailbox));
            let heading = [
                "NUMBER",
                "MESSAGE-ID",
                "FROM",
                "TYPE",
                "SIZE",
                "STATE",
                "STORED",
                "EXPIRES",
            ];
            form.print(&mailbox.items, heading, |entry| {
                [
                    entry.sequence.to_string(),
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
        Action::Delete { user, number } => {
            let removed = office.delete_entry(&person::parse(&user)?, number)?;
            println!("removed {} from {}", removed.message_id, removed.sender);
        }
        Action::Purge { user } => {
            let recipient = person::parse(&user)?;
            let purged = office.purge(&recipient)?;
            println!("removed {} messages for {recipient}", purged.messages);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How full a mailbox is, in one line.
fn level(mailbox: &MailboxView) -> String {
    let limits = &mailbox.limits;
    format!(
        "{} % full: {} of {} messages, {} of {} (class {})",
        mailbox.level,
        mailbox.count,
        limits.max_messages,
        ByteSize::b(mailbox.octets),
        ByteSize::b(limits.max_octets),
        limits.class
    )
}

fn print_classes(office: &Office, form: Form) -> Result<(), Box<dyn Error>> {
    let heading = [
        "CLASS",
        "MESSAGES",
        "SIZE",
        "ONE MESSAGE",
        "ONE SENDER",
        "AGE",
        "WHEN FULL",
        "WARN AT",
    ];
    form.print(&office.classes()?, heading, |class| {
        let percent = |number: u8| format!("{number} %");
        [
            class.class.clone(),
            class.max_messages.to_string(),
            ByteSize::b(class.max_octets).to_string(),
            ByteSize::b(class.max_message).to_string(),
            percent(class.max_share),
            humantime::format_duration(Duration::from_secs(class.max_age)).to_string(),
            class.when_full.clone(),
            percent(class.warn_at),
        ]
    })?;
    Ok(())
}
