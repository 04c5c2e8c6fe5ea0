//! `restante store`: what the messages are kept in.
use super::{
    Outcome, Place,
    office::{Office, OfficeError},
    table::Form,
};
use crate::http::view::{JobState, JobView, StoreView};
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use std::process::ExitCode;

/// Show and tidy the store
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

Examples:
  restante store show                 what it takes on disk, and what is still free
  restante store compact              give the space of what is gone back to the file system")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the store takes on disk, and what is still free
    Show {
        #[command(flatten)]
        form: Form,
    },
    /// Give the space of what is gone back to the file system; the server goes on serving
    Compact,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    match arguments.action {
        Action::Show { form } => {
            let store = office.store()?;
            form.print_one(&store, &described(&store))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Compact => {
            let begun = office.compact()?;
            let ended = watch(&office, begun)?;
            Ok(tell(&ended))
        }
    }
}

/// Draws a bar until the job has ended.
fn watch(office: &Office, mut job: JobView) -> Result<JobView, OfficeError> {
    let bar = ProgressBar::new(job.total);
    while job.state == JobState::Running {
        job = office.job()?;
        bar.set_length(job.total);
        bar.set_position(job.done);
    }
    bar.finish_and_clear();
    Ok(job)
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
