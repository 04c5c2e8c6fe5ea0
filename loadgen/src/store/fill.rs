//! Much that waits, against little.
use super::{
    mailboxes::{Mailboxes, drawn, each, resident},
    options::Fill,
};
use crate::latency::{Latency, Percentiles};
use bytesize::ByteSize;
use serde::Serialize;
use std::{
    cell::RefCell,
    fmt,
    time::{Duration, Instant},
};

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// With little in it.
    pub before: Level,
    /// With much in it.
    pub after: Level,
}

/// What was measured with so many messages waiting.
#[derive(Clone, Debug, Serialize)]
pub struct Level {
    /// Messages waiting.
    pub messages: u64,
    /// Messages a second when they were put there.
    pub filled_per_second: f64,
    /// Until a message is on disk.
    pub accept: Percentiles,
    /// Until the first page of a mailbox is there.
    pub list: Percentiles,
    /// Until the oldest message of a mailbox is read, confirmed and gone.
    pub fetch: Percentiles,
    /// Resident memory, in octets.
    pub resident: u64,
    /// Octets on disk.
    pub disk: u64,
}

/// Fills, measures, fills on, measures again.
///
/// Errors: a sentence for the user.
pub async fn run(options: &Fill) -> Result<Report, String> {
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = options.store.folder.as_deref().unwrap_or(temporary.path());
    let mailboxes = Mailboxes::open(folder, &options.store).await?;
    let before = level(&mailboxes, options, 0..options.against).await?;
    let after = level(&mailboxes, options, options.against..options.messages).await?;
    mailboxes.close();
    Ok(Report { before, after })
}

async fn level(
    mailboxes: &Mailboxes,
    options: &Fill,
    range: std::ops::Range<u64>,
) -> Result<Level, String> {
    let Fill {
        samples,
        per_mailbox,
        ..
    } = *options;
    let boxes = (range.end / per_mailbox).max(1);
    let (begun, count) = (Instant::now(), range.end - range.start);
    let crowd = (options.store.concurrency, options.store.quiet);
    // a mailbox's messages come one by one, with those of all others between them
    let first = range.start / per_mailbox;
    let width = boxes.saturating_sub(first).max(1);
    each("fill", range.clone(), crowd, |number| {
        let mailbox = first + (number - range.start) % width;
        mailboxes.accept(mailbox, number)
    })
    .await?;
    let filled_per_second = count as f64 / begun.elapsed().as_secs_f64();
    actix::clock::sleep(options.settle).await;
    let few = (options.at_once, options.store.quiet);
    // numbers of their own, so that nothing is sent twice
    let fresh = (range.end << 16)..(range.end << 16) + samples;
    let accept = timed("accept", fresh, few, |number| {
        mailboxes.accept(drawn(number, boxes), number)
    });
    let accept = accept.await?;
    let list = timed("list", 0..samples, few, async |number| {
        mailboxes.list(drawn(number, boxes)).await.map(drop)
    });
    let list = list.await?;
    let fetch = timed("fetch", 0..samples, few, async |number| {
        mailboxes.fetch(drawn(number, boxes)).await.map(drop)
    });
    let fetch = fetch.await?;
    Ok(Level {
        messages: mailboxes.waiting().await?,
        filled_per_second,
        accept,
        list,
        fetch,
        resident: resident(),
        disk: mailboxes.space(),
    })
}

async fn timed(
    name: &'static str,
    range: std::ops::Range<u64>,
    few: (u32, bool),
    step: impl AsyncFn(u64) -> Result<(), String>,
) -> Result<Percentiles, String> {
    let latency = RefCell::new(Latency::default());
    each(name, range, few, async |number| {
        let begun = Instant::now();
        step(number).await?;
        latency
            .borrow_mut()
            .record(begun.elapsed().max(Duration::from_micros(1)));
        Ok(())
    })
    .await?;
    Ok(latency.into_inner().percentiles())
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "\n{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>12}{:>12}",
            "waiting",
            "filled/s",
            "accept p50",
            "p99",
            "list p50",
            "p99",
            "fetch p50",
            "p99",
            "resident",
            "disk"
        )?;
        for level in [&self.before, &self.after] {
            write!(
                out,
                "{:>12}{:>11.0}",
                level.messages, level.filled_per_second
            )?;
            for times in [level.accept, level.list, level.fetch] {
                write!(out, "{:>8.2} ms{:>8.2} ms", times.p50, times.p99)?;
            }
            let size = |octets| ByteSize(octets).display().iec().to_string();
            writeln!(out, "{:>12}{:>12}", size(level.resident), size(level.disk))?;
        }
        let share = |of: fn(&Level) -> f64| of(&self.after) / of(&self.before).max(1e-3);
        write!(
            out,
            "{:>12}{:>33.2} x{:>20.2} x{:>20.2} x   (aim: at most 1.3)",
            "p99",
            share(|level| level.accept.p99),
            share(|level| level.list.p99),
            share(|level| level.fetch.p99)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::{Arguments, Command},
        store::options,
    };
    use clap::Parser;

    #[test]
    fn store_is_measured_with_little_and_with_much_in_it() {
        let line = "loadgen store fill -q --messages 200 --against 50 --per-mailbox 10 \
                    --samples 30 --at-once 1 --settle 0s";
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Store {
            command: options::Command::Fill(options),
        } = arguments.command
        else {
            panic!("another command");
        };
        let report = actix::System::new().block_on(run(&options)).unwrap();
        // as many were fetched as were accepted while it was measured
        assert_eq!([report.before.messages, report.after.messages], [50, 200]);
        assert!(report.after.fetch.p99 > 0.0 && report.after.disk > 0);
    }
}
