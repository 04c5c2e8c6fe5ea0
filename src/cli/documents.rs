//! `restante documents`: manual pages and completions, for packages.
use super::{Cli, Outcome};
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate_to};
use std::{fs, path::PathBuf, process::ExitCode};

/// Shells whose completions are written.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Write the manual pages and the completions of shells, for packages
#[derive(Debug, Args)]
#[command(after_help = "\
Writes DIR/man/restante*.1 and DIR/completions/.

Example:
  restante documents target/documents")]
pub(super) struct Arguments {
    /// Folder to write to; made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let (man, completions) = (
        arguments.folder.join("man"),
        arguments.folder.join("completions"),
    );
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), &man)?;
    let mut command = Cli::command();
    for shell in SHELLS {
        generate_to(shell, &mut command, "restante", &completions)?;
    }
    Ok(ExitCode::SUCCESS)
}
