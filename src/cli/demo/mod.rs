//! `restante demo`: a large message to an offline user survives the death of the server.
pub(super) mod ladder;
mod play;
mod scene;
mod shape;
pub(super) mod sight;
mod stage;
mod summary;

use super::Outcome;
use bytesize::ByteSize;
use clap::Args;
use shape::Shape;
use stage::Stage;
use std::{path::PathBuf, process::ExitCode};

/// Show it all: offline message, power failure, recovery, delivery
#[derive(Debug, Args)]
#[command(after_help = "\
Starts a server of its own on free ports with a temporary store. Alice sends a file to Bob, who is
offline. The server is killed (SIGKILL) the moment Alice has her 200, and started again. Bob logs
in and receives. What you see are the real SIP (─) and MSRP (═) messages of the two devices.

The exit code is 0 only if Bob has what Alice sent, octet by octet.

With --shape several servers are started, each as a process with an address of its own, as the
files under examples/ say: --shape a is one server for everybody, b puts a home server before
Alice and Bob each, c adds the owner of a group between them, d is c with home servers that only
pass requests on. The one that keeps Bob's message is killed and started again.

Examples:
  restante demo
  restante demo --shape c
  restante demo --size 100MiB
  restante demo --file holiday.mp4
  restante demo --size 1                 fits one SIP MESSAGE: no channel is opened")]
pub(super) struct Arguments {
    /// Size of the file that is made up and sent
    #[arg(long, default_value = "5MiB", conflicts_with = "file")]
    size: ByteSize,
    /// File to send instead
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Play on several servers
    #[arg(long, value_enum)]
    shape: Option<Shape>,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    if let Some(shape) = arguments.shape {
        return shape::run(shape, arguments.file.as_deref(), arguments.size.as_u64());
    }
    let stage = Stage::set(arguments.file.as_deref(), arguments.size.as_u64())?;
    let summary = match play::play(&stage) {
        Ok(summary) => summary,
        Err(failure) => {
            eprintln!("\nthe server's log:\n{}", stage.log());
            return Err(failure);
        }
    };
    println!("\n{summary}");
    Ok(if summary.is_equal() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
