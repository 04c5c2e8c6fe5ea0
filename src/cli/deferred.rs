//! `restante deferred`: picks from what waits.
use super::{Outcome, device, receive::Inbox, table::Form};
use crate::{
    client::{ClientError, Device},
    content::deferred_list::Entry,
    identity::Address,
};
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode};

/// List, fetch and delete single deferred messages, without logging in for all of them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  restante deferred list --as bob --password builder
  restante deferred fetch --as bob --password builder REFERENCE …
  restante deferred delete --as bob --password builder REFERENCE")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what waits
    List {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        form: Form,
    },
    /// Have some messages handed over
    Fetch {
        #[command(flatten)]
        who: Who,
        /// References, as `list` shows them
        #[arg(required = true)]
        references: Vec<String>,
        /// Folder for what is not shown
        #[arg(long, value_name = "DIR", default_value = ".")]
        save: PathBuf,
    },
    /// Delete some messages unread
    Delete {
        #[command(flatten)]
        who: Who,
        /// References, as `list` shows them
        #[arg(required = true)]
        references: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Who {
    /// Whose messages
    #[arg(long = "as", value_name = "USER", value_parser = device::user)]
    user: Address,
    #[command(flatten)]
    login: device::Login,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    match arguments.action {
        Action::List { who, form } => list(&who, form),
        Action::Fetch {
            who,
            references,
            save,
        } => fetch(&who, &references, &Inbox::in_folder(&save)?),
        Action::Delete { who, references } => {
            let device = device::open(who.user, &who.login, device::settings())?;
            device.run(async |device| device.deferred_delete(&references).await)?;
            println!("deleted {}", references.join(", "));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A waiting message, as it is printed.
#[derive(Serialize)]
struct Row {
    reference: String,
    from: String,
    content_type: String,
    size: Option<u64>,
    date: String,
    expiry: String,
    subject: String,
}

impl From<Entry> for Row {
    fn from(entry: Entry) -> Self {
        Self {
            reference: entry.reference,
            from: entry.from.map_or_else(String::new, |from| from.to_string()),
            content_type: entry.content_type.unwrap_or_default(),
            size: entry.size,
            date: entry.date.unwrap_or_default(),
            expiry: entry.expiry.unwrap_or_default(),
            subject: entry.subject.unwrap_or_default(),
        }
    }
}

fn list(who: &Who, form: Form) -> Outcome {
    let device = device::open(who.user.clone(), &who.login, device::settings())?;
    let list = device.run(async |device| device.deferred_list().await)?;
    let rows: Vec<Row> = list.entries.into_iter().map(Row::from).collect();
    let heading = [
        "REFERENCE",
        "FROM",
        "TYPE",
        "SIZE",
        "SENT",
        "EXPIRES",
        "SUBJECT",
    ];
    form.print(&rows, heading, |row| {
        let size = row
            .size
            .map_or_else(String::new, |size| ByteSize::b(size).to_string());
        [
            row.reference.clone(),
            row.from.clone(),
            row.content_type.clone(),
            size,
            row.date.clone(),
            row.expiry.clone(),
            row.subject.clone(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

fn fetch(who: &Who, references: &[String], inbox: &Inbox<'_>) -> Outcome {
    let device = device::open(who.user.clone(), &who.login, inbox.settings())?;
    let count = device.run(async |device: &Device| {
        let mut incoming = device.incoming().ok_or(ClientError::Stopped)?;
        let count = device.deferred_fetch(references).await?;
        while let Some(received) = incoming.try_next() {
            inbox.take(&received);
        }
        Ok::<_, ClientError>(count)
    })?;
    println!("{count} of {} messages", references.len());
    let all = count == references.len();
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
