//! `restante send`: one message, and what became of it.
use super::{Outcome, REFUSED, device, media, report::Reports};
use crate::{
    client::{self, ClientError, Outgoing},
    identity::Address,
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::Duration,
};
use tempfile::NamedTempFile;

/// Send a text or a file, and say what became of it
#[derive(Debug, Args)]
#[command(after_help = "\
The second line says `delivered`, `stored` (the receiver is offline, the message is on disk) or
`refused` and why. The exit code is 0 for the first two and 3 for the last. With --report, lines
follow as the receiver's device and the server tell more.

Examples:
  restante send --from alice --password wonder --to bob --text 'See you at eight'
  restante send --from alice --password wonder --to bob --file holiday.mp4 --type video/mp4
  restante send --from alice --password wonder --to bob --text 'Read?' --report stored,delivered
  echo 'from a pipe' | restante send --from alice --password wonder --to bob --file -")]
pub(super) struct Arguments {
    /// Who sends
    #[arg(long, value_name = "USER", value_parser = device::user)]
    from: Address,
    /// Whom it is for
    #[arg(long, value_name = "USER", value_parser = device::user)]
    to: Address,
    #[command(flatten)]
    what: What,
    /// Media type [default: text/plain for a text, by its name for a file]
    #[arg(long = "type", value_name = "TYPE")]
    content_type: Option<String>,
    /// A subject line
    #[arg(long)]
    subject: Option<String>,
    /// Identifier of the message; sending the same one again stores it once
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// How it travels: one SIP MESSAGE, an MSRP channel, or whichever fits
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    login: device::Login,
}

/// What is sent.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The text to send
    #[arg(long)]
    text: Option<String>,
    /// The file to send; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Auto,
    Pager,
    Channel,
}

/// How long a login for reports lasts unless it is renewed, which the device does by itself.
const LIFETIME: Duration = Duration::from_secs(600);

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let file = arguments.what.in_a_file()?;
    let reports = &arguments.reports;
    let settings = client::Config {
        only_notifications: reports.are_wanted(),
        ..device::settings()
    };
    let device = device::open(arguments.from.clone(), &arguments.login, settings)?;
    let outgoing = outgoing(arguments, file.as_ref().map(Source::path))?;
    let code = device.run(async |device| {
        let Some(mut incoming) = device.incoming() else {
            return Err(ClientError::Stopped);
        };
        if reports.are_wanted() {
            device.register(LIFETIME).await?;
        }
        let receipt = device.send(outgoing).await?;
        println!("message-id {}", receipt.message_id);
        let code = told(&arguments.to, &receipt.outcome);
        if reports.are_wanted() {
            reports.follow(&mut incoming, &receipt).await;
            device.unregister().await?;
        }
        Ok(code)
    })?;
    Ok(code)
}

/// What the client room is asked to send.
fn outgoing(arguments: &Arguments, file: Option<&Path>) -> Result<Outgoing, String> {
    let to = arguments.to.clone();
    let mut outgoing = match (&arguments.what.text, file) {
        (Some(text), _) => Outgoing::text(to, text),
        (None, Some(path)) => {
            let file = std::fs::metadata(path);
            let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
            let bar = progress_bar(file.len());
            let mut outgoing = Outgoing::file(to, path);
            media::type_of(path).clone_into(&mut outgoing.content_type);
            outgoing.progress = Some(Rc::new(move |arrived, total| {
                bar.set_length(total);
                bar.set_position(arrived);
                if arrived >= total {
                    bar.finish_and_clear();
                }
            }));
            outgoing
        }
        (None, None) => Outgoing::text(to, ""),
    };
    if let Some(content_type) = &arguments.content_type {
        outgoing.content_type.clone_from(content_type);
    }
    outgoing.dispositions = arguments.reports.dispositions();
    outgoing.subject.clone_from(&arguments.subject);
    outgoing.message_id.clone_from(&arguments.message_id);
    outgoing.mode = match arguments.mode {
        Mode::Auto => client::Mode::Auto,
        Mode::Pager => client::Mode::Pager,
        Mode::Channel => client::Mode::Channel,
    };
    Ok(outgoing)
}

/// A file of the user's, or one that holds what came in by standard input.
enum Source {
    Given(PathBuf),
    Piped(NamedTempFile),
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Piped(file) => file.path(),
        }
    }
}

impl What {
    fn in_a_file(&self) -> std::io::Result<Option<Source>> {
        match &self.file {
            None => Ok(None),
            Some(path) if path.as_os_str() == "-" => {
                let mut file = NamedTempFile::new()?;
                std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
                Ok(Some(Source::Piped(file)))
            }
            Some(path) => Ok(Some(Source::Given(path.clone()))),
        }
    }
}

fn progress_bar(size: u64) -> ProgressBar {
    let form = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}

/// Says what became of the message; the exit code says it too.
fn told(to: &Address, outcome: &client::Outcome) -> ExitCode {
    match outcome {
        client::Outcome::Delivered => println!("delivered to {to}"),
        client::Outcome::Stored => {
            println!("stored: {to} is offline and will get it at the next login");
        }
        client::Outcome::Refused { code, reason } => {
            println!("refused: {code} {reason}");
            return ExitCode::from(REFUSED);
        }
    }
    ExitCode::SUCCESS
}
