//! `restante trace`: the life of one message.
use super::{Outcome, Place, office::Office, table::Form};
use clap::Args;
use std::process::ExitCode;

/// Tell the life of one message: every step, with its time and reason
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  restante trace 3f1c9a…              the identifier which `send` printed")]
pub(super) struct Arguments {
    /// The identifier of the message
    message_id: String,
    #[command(flatten)]
    form: Form,
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    let trace = office.message(&arguments.message_id)?;
    let heading = ["TIME", "STATE", "RECIPIENT", "REASON"];
    arguments.form.print(&trace.steps, heading, |step| {
        [
            step.at.clone(),
            step.state.clone(),
            step.recipient.clone(),
            step.reason.clone(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}
