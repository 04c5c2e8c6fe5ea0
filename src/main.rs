//! The `restante` program.
use clap::Parser;
use mimalloc::MiMalloc;
use restante::cli::{Cli, run};
use std::process::ExitCode;

/// What one thread takes another one gives back: a message begins on the thread of its connection
/// and ends on the one that commits, which the system's allocator pays dearly for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse())
}
