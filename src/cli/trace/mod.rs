//! `restante trace`: the life of one message, with what the wire and the logs tell of it.
mod lines;
mod picture;
mod poles;
mod wire;

use super::{
    Outcome, Place,
    desk::{Desk, DeskError},
    office::Office,
    table::Form,
};
use crate::{
    config::Config,
    http::view::{EntryView, MessageView, StepView},
    telemetry::trace::Record,
    trail,
};
use clap::Args;
use lines::Line;
use serde::Serialize;
use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

/// Tell the life of one message: every step, with its time and reason
#[derive(Debug, Args)]
#[command(after_help = "\
With the files that servers wrote, all of them, it is one picture: who said what to whom about this
message, with the steps of its life and the lines of the logs in between.

  --wire   what `trace.file` of each server names
  --log    the logs of each server, with log.format = \"json\" and
           log.filter = \"info,restante::trail=debug\"

Files are enough: where no server answers and no store is found, the life is left out.

Examples:
  restante trace 3f1c9a…              the identifier which `send` printed
  restante trace 3f1c9a… --wire pf-a.jsonl pf-b.jsonl c.jsonl --log pf-a.log pf-b.log c.log")]
pub(super) struct Arguments {
    /// The identifier of the message
    message_id: String,
    /// Traces of the wire (trace.file), of one server or several
    #[arg(long, value_name = "FILE", num_args = 1..)]
    wire: Vec<PathBuf>,
    /// Logs in JSON, of one server or several
    #[arg(long, value_name = "FILE", num_args = 1..)]
    log: Vec<PathBuf>,
    #[command(flatten)]
    form: Form,
}

/// All that is known of the message.
#[derive(Debug, Serialize)]
struct Joined {
    message_id: String,
    /// Where a collector of traces has it.
    trace_id: String,
    steps: Vec<StepView>,
    waiting: Vec<EntryView>,
    wire: Vec<Record>,
    log: Vec<Line>,
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let config = place.load()?;
    if arguments.wire.is_empty() && arguments.log.is_empty() {
        return tell_life(&config, &arguments);
    }
    let joined = join(&config, &arguments)?;
    if joined.is_empty() {
        let id = &arguments.message_id;
        return Err(format!("nothing is told of the message {id:?} there").into());
    }
    match arguments.form.is_json() {
        true => arguments.form.print_one(&joined, "")?,
        false => picture::draw(&joined, &mut std::io::stdout().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The life alone.
fn tell_life(config: &Config, arguments: &Arguments) -> Outcome {
    let life = Office::open(config)?.message(&arguments.message_id)?;
    let heading = ["TIME", "STATE", "RECIPIENT", "REASON"];
    arguments.form.print(&life.steps, heading, |step| {
        [
            step.at.clone(),
            step.state.clone(),
            step.recipient.clone(),
            step.reason.clone(),
        ]
    })?;
    if config.otlp.endpoint.is_some() {
        let trace = trail::trace_id(&arguments.message_id);
        arguments.form.say(&format!("its trace is {trace:032x}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn join(config: &Config, arguments: &Arguments) -> Result<Joined, Box<dyn std::error::Error>> {
    let id = &arguments.message_id;
    let told = lines::of(id, &BTreeSet::new(), &arguments.log)?;
    let names = lines::names(id, &told);
    let wire = wire::of(&names, &arguments.wire)?;
    // lines that tell of its calls only, now that all of them are known
    let log = lines::of(id, &wire.calls, &arguments.log)?;
    let life = life(config, id);
    let (steps, waiting) = life.map_or_else(Default::default, |life| (life.steps, life.waiting));
    Ok(Joined {
        trace_id: format!("{:032x}", trail::trace_id(id)),
        message_id: id.clone(),
        steps,
        waiting,
        wire: wire.records,
        log,
    })
}

/// What a server or its store tells; where neither can be asked the files must do.
fn life(config: &Config, message_id: &str) -> Option<MessageView> {
    let is_there = config.server.store_folder().exists();
    if !is_there && let Err(DeskError::Nobody(at)) = Desk::open(config) {
        eprintln!("no server answers at http://{at}, and no store is here: its life is left out");
        return None;
    }
    let told = Office::open(config).and_then(|office| office.message(message_id));
    told.inspect_err(|error| eprintln!("its life is left out: {error}"))
        .ok()
}

impl Joined {
    fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.wire.is_empty() && self.log.is_empty()
    }
}
