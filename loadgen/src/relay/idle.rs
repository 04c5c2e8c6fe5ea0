//! Sessions that log in and say nothing: what each of them weighs.
use super::{
    entry::{self, Line, Manners},
    options::Options,
    plan::Plan,
    processes::{Server, Usage},
};
use crate::progress::Progress;
use bytesize::ByteSize;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::{
    cell::RefCell,
    fmt,
    time::{Duration, Instant},
};
use tokio::{runtime, time};

/// Logins under way at the same time.
const AT_ONCE: usize = 32;

/// How long the sessions are left alone before the servers are looked at.
const SETTLES: Duration = Duration::from_secs(2);

/// What idle sessions weigh.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How many there were.
    pub sessions: u64,
    /// How long it took until all had logged in.
    pub seconds: f64,
    /// Resident octets of a session, for each server.
    pub octets_per_session: Vec<u64>,
    /// What the servers used.
    pub servers: Vec<Usage>,
    /// Whether all sessions were still there in the end.
    pub is_clean: bool,
}

/// Logs `sessions` clients in.
///
/// Errors: a sentence for the user if one of them could not.
pub fn run(options: &Options, plan: &Plan, sessions: u32) -> Result<Report, String> {
    let servers: Result<Vec<_>, _> = options
        .output
        .server_pid
        .iter()
        .map(|pid| Server::watch(*pid))
        .collect();
    let servers = servers?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let progress = Progress::begin("login", u64::from(sessions), options.output.quiet, begun);
    let streams = runtime.block_on(log_in(plan, sessions as usize, progress))?;
    let seconds = begun.elapsed().as_secs_f64();
    runtime.block_on(async { time::sleep(SETTLES).await });
    let sessions = streams.len() as u64;
    let servers: Vec<Usage> = servers
        .iter()
        .map(|server| server.usage(sessions))
        .collect();
    let grown = |used: &Usage| used.resident_after.saturating_sub(used.resident_before);
    Ok(Report {
        sessions,
        seconds,
        octets_per_session: servers
            .iter()
            .map(|used| grown(used) / sessions.max(1))
            .collect(),
        servers,
        is_clean: streams.iter().all(is_open),
    })
}

async fn log_in(plan: &Plan, sessions: usize, progress: Progress) -> Result<Vec<Line>, String> {
    let progress = RefCell::new((progress, 0));
    let logins = stream::iter(0..sessions).map(|number| {
        let progress = &progress;
        async move {
            let stream = session(plan, number).await?;
            let (progress, done) = &mut *progress.borrow_mut();
            *done += 1;
            progress.at(*done, Instant::now());
            Ok(stream)
        }
    });
    let streams = logins.buffer_unordered(AT_ONCE).try_collect().await;
    let (progress, done) = progress.into_inner();
    progress.end(done, Instant::now());
    streams
}

async fn session(plan: &Plan, number: usize) -> Result<Line, String> {
    let relay = plan.sender_target;
    let mut line = entry::connect(relay, plan.security.as_ref()).await?;
    let own = line.own_uri('s', number)?;
    let names_uri = plan.names_uri;
    let manners = Manners { names_uri };
    entry::log_in(&mut line, relay, &own, plan.user(number), manners).await?;
    Ok(line)
}

/// A relay that closed the connection, or sent something unasked, did not leave it alone.
fn is_open(line: &Line) -> bool {
    let nothing = line.stream.try_read(&mut [0; 1]);
    nothing.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |octets| ByteSize(octets).display().iec();
        writeln!(
            out,
            "\n{} idle sessions, logged in within {:.2} s\n",
            self.sessions, self.seconds
        )?;
        for (used, octets) in self.servers.iter().zip(&self.octets_per_session) {
            let Usage {
                pid,
                name,
                resident_before,
                resident_after,
                ..
            } = used;
            write!(
                out,
                "server     {name} ({pid}): {} a session; ",
                size(*octets)
            )?;
            let (before, after) = (size(*resident_before), size(*resident_after));
            writeln!(out, "memory {before} before, {after} after")?;
        }
        let verdict = if self.is_clean {
            "clean"
        } else {
            "BROKEN: not all stayed"
        };
        write!(out, "verdict    {verdict}")
    }
}
