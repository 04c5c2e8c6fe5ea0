//! Starts with much that waits, each in a process of its own.
use super::{
    mailboxes::{Mailboxes, each},
    options::Restart,
};
use serde::Serialize;
use std::{
    env, fmt,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

/// What is accepted between the clean start and SIGKILL, so that the journal is not empty.
const AT_THE_END: u64 = 20_000;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Messages that wait.
    pub messages: u64,
    /// Seconds from the start of the process until it serves, after a clean stop.
    pub clean: f64,
    /// The same after SIGKILL.
    pub killed: f64,
    /// Messages that were promised and are not there.
    pub lost: u64,
}

impl Report {
    /// Whether nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.lost == 0
    }
}

/// A process that holds a store.
struct Holder {
    child: Child,
    waiting: u64,
    seconds: f64,
}

/// Fills, stops, starts, kills, and starts again.
///
/// Errors: a sentence for the user.
pub fn run(options: &Restart) -> Result<Report, String> {
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = options.store.folder.as_deref().unwrap_or(temporary.path());
    Holder::start(options, folder, options.messages)?.stop()?;
    let after_stop = Holder::start(options, folder, 0)?;
    let (clean, kept) = (after_stop.seconds, after_stop.waiting);
    after_stop.stop()?;
    let promised = options.messages + AT_THE_END;
    Holder::start(options, folder, AT_THE_END)?.kill()?;
    let after_kill = Holder::start(options, folder, 0)?;
    let (killed, found) = (after_kill.seconds, after_kill.waiting);
    after_kill.stop()?;
    Ok(Report {
        messages: options.messages,
        clean,
        killed,
        lost: options.messages.saturating_sub(kept) + promised.saturating_sub(found),
    })
}

impl Holder {
    /// Starts a process over `folder` that adds `messages`; returns when it serves and has them.
    fn start(options: &Restart, folder: &Path, messages: u64) -> Result<Self, String> {
        let wrong = |error: io::Error| format!("no process to hold the store: {error}");
        let begun = Instant::now();
        let mut command = Command::new(env::current_exe().map_err(wrong)?);
        command.args(["store", "hold", "--folder"]).arg(folder);
        command.args(["--messages", &messages.to_string()]);
        command.args(["--per-mailbox", &options.per_mailbox.to_string()]);
        command.args(["--size", &options.store.size.as_u64().to_string()]);
        command.args(["--concurrency", &options.store.concurrency.to_string()]);
        if options.store.quiet {
            command.arg("--quiet");
        }
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(wrong)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(wrong)?;
        }
        let waiting = line
            .trim()
            .strip_prefix("holds ")
            .and_then(|text| text.parse().ok());
        Ok(Self {
            child,
            waiting: waiting.ok_or("the process that holds the store gave up")?,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    fn stop(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let wrong = || format!("the process that held the store: {status}");
        status.success().then_some(()).ok_or_else(wrong)
    }

    fn kill(mut self) -> Result<(), String> {
        self.child.kill().map_err(|error| error.to_string())?;
        self.child
            .wait()
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// Opens the store, adds messages, says that it is ready, and holds it until standard input ends.
///
/// Errors: a sentence for the user.
pub async fn hold(options: &Restart) -> Result<(), String> {
    let folder = options
        .store
        .folder
        .as_deref()
        .ok_or("--folder is missing")?;
    let mailboxes = Mailboxes::open(folder, &options.store).await?;
    let first = mailboxes.waiting().await?;
    let crowd = (
        options.store.concurrency,
        options.store.quiet || options.messages == 0,
    );
    let last = first + options.messages;
    let boxes = (last / options.per_mailbox).max(1);
    each("fill", first..last, crowd, |number| {
        mailboxes.accept(number % boxes, number)
    })
    .await?;
    println!("holds {}", mailboxes.waiting().await?);
    let read = io::stdin().read(&mut [0]);
    mailboxes.close();
    read.map(drop).map_err(|error| error.to_string())
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            messages,
            clean,
            killed,
            lost,
        } = self;
        writeln!(out, "\n{messages} messages wait")?;
        writeln!(
            out,
            "ready after a clean stop in {clean:.2} s (aim: less than 2)"
        )?;
        writeln!(
            out,
            "ready after SIGKILL in {killed:.2} s (aim: less than 5)"
        )?;
        write!(out, "lost {lost}")
    }
}
