//! The `restante` program.
use clap::Parser;
use restante::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    run(Cli::parse())
}
