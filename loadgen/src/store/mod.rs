//! Long runs on the deferred function itself, without a network: does it stay as fast when much
//! waits, and when much has come and gone? How long does a start take?
//!
//! `mailboxes` opens the function over a folder and does the single steps, `fill`, `churn` and
//! `restart` are the runs.
mod churn;
mod fill;
mod mailboxes;
pub mod options;
mod restart;

use crate::relay::tell;
use options::Command;

/// Makes the run that `command` describes and prints its report; says whether all went well.
///
/// Errors: a sentence for the user if the run could not be made.
pub fn run(command: &Command) -> Result<bool, String> {
    let system = actix::System::new();
    match command {
        Command::Fill(options) => {
            let report = system.block_on(fill::run(options))?;
            tell(&report, options.store.json.as_deref()).map(|()| true)
        }
        Command::Churn(options) => {
            let report = system.block_on(churn::run(options))?;
            tell(&report, options.store.json.as_deref()).map(|()| true)
        }
        Command::Restart(options) => {
            let report = restart::run(options)?;
            tell(&report, options.store.json.as_deref()).map(|()| report.is_clean())
        }
        Command::Hold(options) => system.block_on(restart::hold(options)).map(|()| true),
    }
}
