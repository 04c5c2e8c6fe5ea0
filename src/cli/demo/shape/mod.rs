//! `restante demo --shape`: the servers of figures 10A to 10D as real processes, with the files of
//! `examples/`, and the ladder across all of them.
mod nodes;
mod play;
mod stage;
mod watch;

pub(super) use nodes::Shape;

use super::{Outcome, stage::Content};
use bytesize::ByteSize;
use play::Played;
use stage::Stage;
use std::{path::Path, process::ExitCode};

/// Plays on `shape` with the content of `file`, or with one of `size` octets that is made up.
pub(super) fn run(shape: Shape, file: Option<&Path>, size: u64) -> Outcome {
    let folder = tempfile::tempdir()?;
    let content = Content::prepare(file, folder.path(), size)?;
    let mut stage = Stage::set(shape, content, folder)?;
    tell_beginning(&stage);
    let played = match play::play(&mut stage) {
        Ok(played) => played,
        Err(failure) => {
            eprintln!("\nwhat the servers logged:\n{}", stage.log());
            return Err(failure);
        }
    };
    Ok(match tell_end(&stage, &played) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn tell_beginning(stage: &Stage) {
    let size = ByteSize::b(stage.content.size);
    match stage.shape.has_group() {
        true => println!("Alice sends {size} to her team: Carol is there, Bob is offline.\n"),
        false => println!("Alice sends {size} to Bob, who is offline.\n"),
    }
}

/// Tells what it came to; whether everybody has what Alice sent.
fn tell_end(stage: &Stage, played: &Played) -> bool {
    let size = ByteSize::b(stage.content.size);
    let millis = |took: std::time::Duration| format!("{:.1} ms", took.as_secs_f64() * 1000.0);
    println!("\n  message    {}", played.message_id);
    println!(
        "  Alice      {size} in {}, then 200",
        millis(played.sending)
    );
    println!(
        "  C          ready {} after its start",
        millis(played.recovery)
    );
    println!("  channels   {}", played.channels.join(", "));
    println!("  SHA-256    sent   {}", stage.content.sha256);
    for (name, sha256) in &played.received {
        println!("             {name:<6} {sha256}");
    }
    let is_equal = |(_, sha256): &(_, String)| *sha256 == stage.content.sha256;
    let equal = !played.received.is_empty() && played.received.iter().all(is_equal);
    println!("  octets     {}", if equal { "equal" } else { "DIFFERENT" });
    equal
}
