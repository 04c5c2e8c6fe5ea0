//! The load generator: many concurrent clients against one server, and a ledger of every message.
mod args;
mod book;
mod course;
mod crew;
mod deferred;
mod device;
mod journal;
mod keeper;
mod latency;
#[allow(dead_code, reason = "the crash test takes this file too")]
mod ledger;
mod live;
mod octets;
mod pace;
mod plan;
mod progress;
mod relay;
mod report;
mod run;
mod scenario;
mod scrape;
mod series;
mod server;
mod store;
mod users;

use clap::Parser;
use std::process::ExitCode;

/// The server broke its word.
const BROKEN: u8 = 1;
/// The run could not be made.
const NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let outcome = match &args::Arguments::parse().command {
        args::Command::Scenario(chosen) => play(&course::Course::of(chosen)),
        args::Command::Run { file, options } => {
            course::Course::read(file, options).and_then(|course| play(&course))
        }
        args::Command::Judge { file } => judge(file),
        args::Command::Html(options) => draw(options),
        args::Command::Relay(options) => relay::run(options).map(clean_or_broken),
        args::Command::Deferred(options) => deferred::run(options).map(clean_or_broken),
        args::Command::Store { command } => store::run(command).map(clean_or_broken),
        args::Command::Xmpp(options) => deferred::run_xmpp(options).map(clean_or_broken),
    };
    outcome.unwrap_or_else(|advice| {
        eprintln!("loadgen: {advice}");
        ExitCode::from(NOT_RUN)
    })
}

fn play(course: &course::Course) -> Result<ExitCode, String> {
    let (report, is_stopped) = actix::System::new().block_on(run::run(course))?;
    println!("{report}");
    let output = &course.options.output;
    let (json, page) = (output.json.as_deref(), output.html.as_deref());
    println!("{}", report::file::whereabouts(json, page));
    Ok(match is_stopped && report.is_clean() {
        true => ExitCode::from(run::STOPPED as u8),
        false => exit_code(&report),
    })
}

fn draw(options: &report::file::Options) -> Result<ExitCode, String> {
    let page = report::file::draw(options)?;
    println!("{}", page.display());
    Ok(ExitCode::SUCCESS)
}

fn judge(file: &std::path::Path) -> Result<ExitCode, String> {
    let report = run::judge(file)?;
    println!("{report}");
    Ok(clean_or_broken(report.is_clean()))
}

fn clean_or_broken(is_clean: bool) -> ExitCode {
    if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(BROKEN)
    }
}

fn exit_code(report: &report::Report) -> ExitCode {
    if !report.is_clean() {
        return ExitCode::from(BROKEN);
    }
    if report.did_nothing() {
        eprintln!("loadgen: nothing of what was to be done succeeded");
        return ExitCode::from(NOT_RUN);
    }
    if report.is_retrieved && report.ledger.waiting > 0 {
        eprintln!("loadgen: not every receiver could log in");
        return ExitCode::from(NOT_RUN);
    }
    ExitCode::SUCCESS
}
