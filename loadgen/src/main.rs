//! The load generator: many concurrent clients against one server, and a ledger of every message.
#![allow(dead_code, reason = "devices are to come")]
mod args;
mod book;
mod crew;
mod device;
mod latency;
mod ledger;
mod limits;
mod octets;
mod plan;
mod progress;
mod report;
mod run;
mod scene;
mod server;
mod users;

use clap::Parser;
use std::process::ExitCode;

/// The server broke its word.
const BROKEN: u8 = 1;
/// The run could not be made.
const NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    match actix::System::new().block_on(run::run(&arguments.scenario)) {
        Ok(report) => {
            println!("{report}");
            if report.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(BROKEN)
            }
        }
        Err(advice) => {
            eprintln!("loadgen: {advice}");
            ExitCode::from(NOT_RUN)
        }
    }
}
