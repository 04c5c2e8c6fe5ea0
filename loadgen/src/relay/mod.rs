//! A lean MSRP peer for measuring what passes messages on: TCP forwarders and MSRP relays.
//!
//! Pairs of a sender and a receiver, both in this process, so that every message is followed from
//! its first octet to its last without a word between them. Nothing here is the server's code:
//! frames, digests and the order of things are read from RFC 4975 and RFC 4976 a second time.
//!
//! `plan` is what the options mean, `lead` starts a `worker` on every thread, a worker's
//! connections (`link`) feed `sender` and `receiver`, and what they see becomes a `tally`.
pub mod charts;
mod connections;
pub mod content;
pub mod digest;
mod entry;
mod flights;
mod idle;
mod lead;
pub mod letter;
pub mod link;
pub mod options;
mod pair;
mod plan;
pub mod processes;
mod receiver;
pub mod report;
pub mod scan;
mod secure;
mod sender;
pub mod tally;
mod team;
mod worker;

use options::Options;
use plan::Plan;
use restante::net;
use serde::Serialize;
use std::{fmt, fs, path::Path};

/// Makes the run that `options` describe and prints its report; says whether all went well.
///
/// Errors: a sentence for the user if the run could not be made.
pub fn run(options: &Options) -> Result<bool, String> {
    restante::net::raise_open_files();
    let plan = Plan::new(options, net::random_u64() as u32)?;
    let json = options.output.json.as_deref();
    match options.load.idle {
        None => {
            let report = lead::run(options, plan)?;
            tell(&report, json).map(|()| report.is_clean)
        }
        Some(sessions) => {
            let report = idle::run(options, &plan, sessions)?;
            tell(&report, json).map(|()| report.is_clean)
        }
    }
}

/// Prints `report`, and writes it to the file `json` if there is one.
///
/// Errors: a sentence for the user if it cannot be written.
pub fn tell<R: fmt::Display + Serialize>(report: &R, json: Option<&Path>) -> Result<(), String> {
    println!("{report}");
    let Some(path) = json else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(report);
    let text = text.map_err(|error| error.to_string())?;
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
