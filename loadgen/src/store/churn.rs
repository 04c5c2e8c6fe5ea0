//! Messages that come and go, for as long as asked.
use super::{
    mailboxes::{Mailboxes, drawn, each, resident},
    options::Churn,
};
use bytesize::ByteSize;
use serde::Serialize;
use std::{cell::Cell, fmt, time::Instant};

/// Parts of the run that are compared.
const PARTS: u64 = 10;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Octets of the contents that wait at any time.
    pub live: u64,
    /// The run, part by part.
    pub parts: Vec<Part>,
}

/// One part of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Messages put, fetched and deleted, a second.
    pub messages_per_second: f64,
    /// Most octets on disk that were seen.
    pub disk: u64,
    /// Resident memory in the end.
    pub resident: u64,
    /// Messages that wait in the end.
    pub waiting: u64,
}

/// Makes the run.
///
/// Errors: a sentence for the user.
pub async fn run(options: &Churn) -> Result<Report, String> {
    let temporary = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = options.store.folder.as_deref().unwrap_or(temporary.path());
    let mailboxes = Mailboxes::open(folder, &options.store).await?;
    let crowd = (options.store.concurrency, options.store.quiet);
    let (set, boxes) = (options.working_set, options.mailboxes);
    let mailbox = |number| drawn(number, boxes);
    each("fill", 0..set, crowd, |number| {
        mailboxes.accept(mailbox(number), number)
    })
    .await?;
    let mut parts = Vec::new();
    let size = options.messages / PARTS;
    for part in 0..PARTS {
        let (begun, disk) = (Instant::now(), Cell::new(0));
        let first = set + part * size;
        each("churn", first..first + size, crowd, async |number| {
            mailboxes.accept(mailbox(number), number).await?;
            // the one that was put `set` messages ago, or one before it in the same mailbox
            mailboxes.fetch(mailbox(number - set)).await?;
            if number % 8192 == 0 {
                disk.set(mailboxes.space().max(disk.get()));
            }
            Ok(())
        })
        .await?;
        parts.push(Part {
            messages_per_second: size as f64 / begun.elapsed().as_secs_f64(),
            disk: disk.get().max(mailboxes.space()),
            resident: resident(),
            waiting: mailboxes.waiting().await?,
        });
    }
    mailboxes.close();
    let live = set * options.store.size.as_u64();
    Ok(Report { live, parts })
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |octets| ByteSize(octets).display().iec().to_string();
        writeln!(
            out,
            "\n{:>6}{:>12}{:>12}{:>12}{:>10}{:>12}",
            "part", "1/s", "waiting", "disk", "of live", "resident"
        )?;
        for (number, part) in self.parts.iter().enumerate() {
            let of_live = part.disk as f64 / self.live.max(1) as f64;
            writeln!(
                out,
                "{:>6}{:>12.0}{:>12}{:>12}{of_live:>8.2} x{:>12}",
                number + 1,
                part.messages_per_second,
                part.waiting,
                size(part.disk),
                size(part.resident)
            )?;
        }
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else {
            return Ok(());
        };
        let share = last.messages_per_second / first.messages_per_second;
        write!(
            out,
            "last part {share:.2} times as fast as the first (aim: at least 0.9), disk {:.2} times \
             the live octets (aim: at most 3)",
            last.disk as f64 / self.live.max(1) as f64
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
    fn what_is_put_is_fetched_and_the_working_set_stays() {
        let line = "loadgen store churn -q --messages 300 --mailboxes 7 --working-set 20 \
                    --concurrency 2";
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Store {
            command: options::Command::Churn(options),
        } = arguments.command
        else {
            panic!("another command");
        };
        let report = actix::System::new().block_on(run(&options)).unwrap();
        assert_eq!(report.parts.len(), 10);
        let waiting = report.parts.iter().map(|part| part.waiting);
        assert_eq!(waiting.collect::<Vec<_>>(), [20; 10]);
        assert_eq!(report.live, 20 * 1024);
    }
}
