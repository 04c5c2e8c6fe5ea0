//! `restante relay-keys`: what seals the URIs of the MSRP relay.
use super::{Outcome, Place, table::Form};
use crate::{app::KeyFile, msrp::relay::KeyRing};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{process::ExitCode, time::Duration};

/// List and rotate the keys that seal the URIs of the MSRP relay
#[derive(Debug, Args)]
#[command(after_help = "\
The relay (RFC 4976) gives its clients URIs that are sealed with the first key of a file:
msrp.relay.key_file, by default `relay.keys` in the data folder. The first `restante serve` makes
it, readable by its owner only. Whoever has it can make URIs; whoever loses it ends those given
out. Several servers behind one name share one file.

Rotation puts a new key first. The old ones still open what they sealed, and are dropped by the
first rotation after their URIs have ended (msrp.relay.uri_lifetime). A running server reads the
file anew at SIGHUP.

Examples:
  restante relay-keys list
  restante relay-keys rotate && kill -HUP \"$(pidof restante)\"")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the keys, never their secrets
    #[command(after_help = "Examples:
  restante relay-keys list
  restante relay-keys list --json")]
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Make a new key the one that seals; the old ones open until their URIs have ended
    #[command(after_help = "\
A running server goes on with the old key until it gets SIGHUP. With several servers that share
the keys: bring the new file to all of them, then send each SIGHUP.

Example:
  restante relay-keys rotate && kill -HUP \"$(pidof restante)\"")]
    Rotate,
}

/// One key, as the list shows it.
#[derive(Serialize)]
struct KeyView {
    number: String,
    made: String,
    seals: bool,
    /// From when on it opens nothing that is still good.
    opens_until: Option<String>,
}

pub(super) fn run(place: &Place, arguments: Arguments) -> Outcome {
    let config = place.load()?;
    let file = KeyFile::of(&config);
    let lifetime = config.msrp.relay.uri_lifetime;
    match arguments.action {
        Action::List { form } => {
            let heading = ["KEY", "MADE", "USE"];
            form.print(&views(&file.load()?, lifetime), heading, |key| {
                let until = key.opens_until.as_deref();
                let purpose = until.map_or_else(
                    || "seals and opens".to_owned(),
                    |until| format!("opens until {until}"),
                );
                [key.number.clone(), key.made.clone(), purpose]
            })?;
        }
        Action::Rotate => {
            let keys = views(&file.rotate(&config)?, lifetime);
            println!(
                "key {} seals from now on; {} in all",
                keys[0].number,
                keys.len()
            );
            println!("a running server takes it at SIGHUP: kill -HUP PID");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn views(ring: &KeyRing, lifetime: Duration) -> Vec<KeyView> {
    let keys = ring.keys().iter().enumerate();
    keys.map(|(index, key)| {
        let end = ring.end_of(index, lifetime);
        KeyView {
            number: format!("{:02x}", key.number),
            made: key.made.to_rfc3339(),
            seals: end.is_none(),
            opens_until: end.map(|end| end.to_rfc3339()),
        }
    })
    .collect()
}
