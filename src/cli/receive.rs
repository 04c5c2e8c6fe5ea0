//! `restante receive`: logs in and takes what waits.
use super::{Outcome, device, media, report};
use crate::{
    client::{self, Body, ClientError, Incoming, Received},
    identity::Address,
};
use bytesize::ByteSize;
use clap::Args;
use parking_lot::Mutex;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// How long a login lasts unless it is renewed, which the device does by itself.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Texts up to this size are shown; larger ones are saved like any other content.
const SHOWN: u64 = 64 * 1024;

/// Log in, take what waits, and show or save it
#[derive(Debug, Args)]
#[command(after_help = "\
Texts are shown, everything else is saved under its message identifier. What comes by channel is
confirmed, and so removed from the server, only after it is on disk here.

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

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let inbox = Inbox::in_folder(&arguments.save)?;
    let device = device::open(arguments.user.clone(), &arguments.login, inbox.settings())?;
    let last_seen = device.last_seen();
    let count = device.run(async |device| {
        let Some(mut incoming) = device.incoming() else {
            return Err(ClientError::Stopped);
        };
        device.register(LIFETIME).await?;
        let mut count = 0_u64;
        while let Some(received) = arguments.next(&mut incoming, &last_seen).await {
            count += 1;
            inbox.take(&received);
        }
        device.unregister().await?;
        Ok(count)
    })?;
    match count {
        0 => println!("nothing waits for {}", arguments.user),
        1 => println!("1 message"),
        count => println!("{count} messages"),
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// The next message; `None` when the user has had enough, or when all has come: without
    /// `--follow`, if nothing at all was on the wire for a while.
    async fn next(&self, incoming: &mut Incoming, last_seen: &Mutex<Instant>) -> Option<Received> {
        loop {
            let patience = *last_seen.lock() + self.quiet;
            tokio::select! {
                received = incoming.next() => return received,
                _ = tokio::signal::ctrl_c() => return None,
                () = tokio::time::sleep_until(patience.into()), if !self.follow => {}
            }
            if *last_seen.lock() + self.quiet <= Instant::now() {
                return None;
            }
        }
    }
}

/// Where messages go: the screen or a folder.
pub(super) struct Inbox<'a> {
    folder: &'a Path,
}

impl<'a> Inbox<'a> {
    pub(super) fn in_folder(folder: &'a Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder })
    }

    /// What comes by channel is spooled right where it is to stay, and synced before its
    /// sender is told.
    pub(super) fn settings(&self) -> client::Config {
        client::Config {
            spool: self.folder.to_owned(),
            in_memory: ByteSize::b(0),
            ..device::settings()
        }
    }

    /// Shows or saves a message.
    pub(super) fn take(&self, received: &Received) {
        let sender = received.from.as_ref().map_or("somebody", Address::as_str);
        let date = received
            .date
            .map_or_else(String::new, |date| date.to_rfc3339());
        println!("from {sender}  {date}");
        if let Some(subject) = &received.subject {
            println!("subject {subject}");
        }
        match self.shown_or_saved(received) {
            Ok(text) => println!("{text}\n"),
            Err(error) => eprintln!("cannot keep {}: {error}\n", received.message_id),
        }
    }

    fn shown_or_saved(&self, received: &Received) -> io::Result<String> {
        if let Some(told) = report::told(received)? {
            return Ok(told);
        }
        if received.content_type.starts_with("text/plain") && received.size <= SHOWN {
            return text_of(&received.body);
        }
        let path = self.folder.join(file_name(received));
        match &received.body {
            Body::Bytes(octets) => fs::write(&path, octets)?,
            Body::File(spooled) => fs::rename(spooled, &path)?,
        }
        let (size, content_type) = (ByteSize::b(received.size), &received.content_type);
        let hash = hex::encode(received.sha256);
        Ok(format!(
            "saved {} ({content_type}, {size}, SHA-256 {hash})",
            path.display()
        ))
    }
}

fn text_of(body: &Body) -> io::Result<String> {
    match body {
        Body::Bytes(octets) => Ok(String::from_utf8_lossy(octets).into_owned()),
        Body::File(path) => {
            let octets = fs::read(path)?;
            fs::remove_file(path)?;
            Ok(String::from_utf8_lossy(&octets).into_owned())
        }
    }
}

/// The message identifier, as far as it is fit for a file's name, and what its type suggests.
fn file_name(received: &Received) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = received.message_id.chars().take(100).map(safe).collect();
    let extension = media::extension_of(&received.content_type);
    format!("{name}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::Channel, content::cpim::Dispositions};

    fn received(id: &str, content_type: &str, octets: &'static [u8]) -> Received {
        Received {
            from: None,
            message_id: id.into(),
            date: None,
            content_type: content_type.into(),
            subject: None,
            size: octets.len() as u64,
            sha256: [0; 32],
            body: Body::Bytes(octets.into()),
            channel: Channel::Msrp,
            dispositions: Dispositions::default(),
        }
    }

    #[test]
    fn text_is_shown_and_picture_is_saved_under_a_safe_name() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::in_folder(folder.path()).unwrap();
        let text = received("a", "text/plain;charset=utf-8", b"hello");
        assert_eq!(inbox.shown_or_saved(&text).unwrap(), "hello");
        let picture = received("../../etc/passwd", "image/png", b"\x89PNG");
        let said = inbox.shown_or_saved(&picture).unwrap();
        assert!(said.contains("______etc_passwd.png"), "{said}");
        let saved = fs::read(folder.path().join("______etc_passwd.png")).unwrap();
        assert_eq!(saved, b"\x89PNG");
    }
}
