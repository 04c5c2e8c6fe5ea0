//! `restante store`: what the messages are kept in.
use super::{
    Outcome, Place,
    office::{Office, OfficeError},
    table::Form,
};
use crate::{
    config::Config,
    http::view::{JobState, JobView, NewBackup, StoreView},
    store::{self, Step},
};
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Show, check, tidy, back up and restore the store
#[derive(Debug, Args)]
#[command(after_help = "\
All but `restore` speak to the running server, which goes on serving meanwhile; while none runs,
the store in the data folder is opened directly. The exit code of `verify` and `backup` is 0 only
if nothing is damaged.

Examples:
  restante store show                     how it is, what it takes on disk, what is still free
  restante store compact                  give the space of what is gone back to the file system
  restante store verify                   read every entry, and say what is damaged
  restante store backup today.backup      copy everything to this file, as it is at this moment
  restante --data new-data store restore today.backup
                                          make the store of a server from it")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how the store is, what it takes on disk, and what is still free
    Show {
        #[command(flatten)]
        form: Form,
    },
    /// Give the space of what is gone back to the file system
    Compact,
    /// Read every entry, and say what is damaged and whose mailboxes it hits
    Verify,
    /// Copy everything to a file, as it is at this moment
    Backup {
        /// The file; nothing may be there yet
        file: PathBuf,
    },
    /// Make a store of a backup, in a data folder that has none
    Restore {
        /// The file that `backup` wrote
        file: PathBuf,
    },
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let config = place.load()?;
    if let Action::Restore { file } = &arguments.action {
        return restore(&config, file);
    }
    let office = Office::open(&config)?;
    let begun = match arguments.action {
        Action::Show { form } => {
            let store = office.store()?;
            form.print_one(&store, &described(&store))?;
            return Ok(ExitCode::SUCCESS);
        }
        Action::Compact => office.compact()?,
        Action::Verify => office.verify()?,
        Action::Backup { file } => {
            let file = std::path::absolute(file)?;
            office.backup(NewBackup { file })?
        }
        Action::Restore { file } => return restore(&config, &file),
    };
    let ended = watch(&office, begun)?;
    Ok(tell(&ended))
}

/// Draws a bar until the job has ended.
fn watch(office: &Office, mut job: JobView) -> Result<JobView, OfficeError> {
    let bar = bar(job.total);
    while job.state == JobState::Running {
        job = office.job()?;
        bar.set_position(job.done);
    }
    bar.finish_and_clear();
    Ok(job)
}

/// A bar to `total`, or a counter where nobody knows it.
fn bar(total: u64) -> ProgressBar {
    match total {
        0 => {
            let style = ProgressStyle::with_template("{spinner} {human_pos} entries, {elapsed}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::no_length().with_style(style)
        }
        total => ProgressBar::new(total),
    }
}

/// Says how a job ended; its exit code.
fn tell(job: &JobView) -> ExitCode {
    let report = job.report.as_deref().unwrap_or_default();
    match job.state {
        JobState::Failed => {
            eprintln!("restante: {} failed: {report}", job.kind);
            ExitCode::FAILURE
        }
        _ => {
            println!("{}: {report}", job.kind);
            ExitCode::SUCCESS
        }
    }
}

fn restore(config: &Config, file: &Path) -> Outcome {
    let folder = config.server.store_folder();
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("`server.data` {}: {error}", folder.display()))?;
    let bar = bar(0);
    let draw = |step: Step| bar.set_position(step.entries);
    let restored = store::restore(file, &folder, &config.store, &draw);
    bar.finish_and_clear();
    let report = restored.map_err(Box::<dyn Error>::from)?;
    println!(
        "restored {} entries, {}, to {}",
        report.entries,
        ByteSize::b(report.octets),
        folder.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn described(store: &StoreView) -> String {
    let free = match store.free {
        Some(free) => ByteSize::b(free).to_string(),
        None => "unknown".to_owned(),
    };
    format!(
        "state     {}\non disk   {}\nfree      {free}\nwaiting   {} messages, {}",
        store.state,
        ByteSize::b(store.octets),
        store.messages,
        ByteSize::b(store.message_octets)
    )
}
