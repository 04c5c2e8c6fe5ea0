//! `restante message`: one message, by the identifier its sender gave it.
use super::{Outcome, Place, office::Office, person, table::Form};
use crate::http::view::{MessageView, WhichCopies};
use bytesize::ByteSize;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Show or delete one message, wherever it waits
#[derive(Debug, Args)]
#[command(after_help = "\
Speaks to the running server; while none runs, the store in the data folder is opened directly.

A message for several recipients waits once for each of them; `delete` removes all copies that
nobody has got yet, or with --recipient the one for them. What was handed over stays handed over.

Examples:
  restante message show 3f1c9a…                    what became of it, and where it still waits
  restante message delete 3f1c9a…                  nobody gets it any more
  restante message delete 3f1c9a… --recipient bob  only Bob does not get it")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell the life of a message, and where it still waits
    Show {
        /// The identifier of the message, as `send` printed it
        message_id: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove a message for all who have not got it yet
    Delete {
        /// The identifier of the message, as `send` printed it
        message_id: String,
        /// Remove it for this recipient only
        #[arg(long, value_name = "USER")]
        recipient: Option<String>,
    },
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let office = Office::open(&place.load()?)?;
    match arguments.action {
        Action::Show { message_id, form } => {
            let message = office.message(&message_id)?;
            form.print_one(&message, &described(&message))?;
        }
        Action::Delete {
            message_id,
            recipient,
        } => {
            let recipient = recipient.as_deref().map(person::parse).transpose()?;
            let recipient = recipient.map(|address| address.to_string());
            let removed = office.delete_message(&message_id, &WhichCopies { recipient })?;
            println!("removed {} copies of {message_id}", removed.messages);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn described(message: &MessageView) -> String {
    let mut lines = vec![format!("message-id  {}", message.message_id)];
    for step in &message.steps {
        let (at, state, recipient) = (&step.at, &step.state, &step.recipient);
        lines.push(format!("{at}  {state:<12}  {recipient}  {}", step.reason));
    }
    if message.waiting.is_empty() {
        lines.push("waits for nobody".into());
    }
    for copy in &message.waiting {
        lines.push(format!(
            "waits for {} as number {}: {}, {}, from {}, until {}",
            copy.recipient,
            copy.sequence,
            copy.content_type,
            ByteSize::b(copy.size),
            copy.sender,
            copy.expires
        ));
    }
    lines.join("\n")
}
