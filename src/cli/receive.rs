//! `restante receive`: logs in and takes what waits.
use super::{Outcome, device};
use crate::{
    client::{self, Body, ClientError, Received},
    identity::Address,
};
use clap::Args;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Texts up to this size are shown; larger ones are saved like any other content.
const SHOWN: u64 = 64 * 1024;

/// Log in, take what waits, and show or save it
#[derive(Debug, Args)]
#[command(after_help = "\
Texts are shown, everything else is saved under its message identifier. A message is confirmed,
and so removed from the server, only after it is safe here.

Examples:
  restante receive --as bob --password builder               take what waits, then log out
  restante receive --as bob --password builder --follow      stay online until Ctrl-C
  restante receive --as bob --password builder --save inbox")]
pub(super) struct Arguments {
    /// Who logs in
    #[arg(long = "as", value_name = "USER", value_parser = device::user)]
    user: Address,
    /// Folder for what is not shown
    #[arg(long, value_name = "DIR", default_value = ".")]
    save: PathBuf,
    /// Stay online and take what comes, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Without --follow: how long nothing may come before it counts as all
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    quiet: Duration,
    #[command(flatten)]
    login: device::Login,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    fs::create_dir_all(&arguments.save)?;
    let settings = client::Config {
        spool: arguments.save.clone(),
        ..device::settings()
    };
    let device = device::open(arguments.user.clone(), &arguments.login, settings)?;
    let count = device.run(async |device| {
        device.register().await?;
        let mut count = 0_u64;
        while let Some(received) = next(device, &arguments).await {
            count += 1;
            if let Err(error) = show(&received, &arguments.save) {
                eprintln!("cannot keep {}: {error}", received.message_id);
            }
        }
        device.unregister().await?;
        Ok::<_, ClientError>(count)
    })?;
    match count {
        0 => println!("nothing waits for {}", arguments.user),
        1 => println!("1 message"),
        count => println!("{count} messages"),
    }
    Ok(ExitCode::SUCCESS)
}
