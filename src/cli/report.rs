//! What became of a message, as its receivers and the servers on its way tell it.
use crate::{
    client::{Body, Incoming, Outcome, Receipt, Received},
    content::{
        cpim::Dispositions,
        imdn::{Disposition, Imdn},
    },
    profile::mime,
};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use std::{fs, io, time::Duration};

/// Larger bodies are no notifications.
const LIMIT: u64 = 64 * 1024;

/// What a sender wants to be told, and for how long it stays to hear it.
#[derive(Clone, Debug, Args)]
pub(super) struct Reports {
    /// What to be told: any of stored, delivered, failed, displayed. The sender is logged in until
    /// it is, and takes no messages meanwhile
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    report: Vec<Report>,
    /// How long to wait for what --report asks for
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    wait: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Report {
    Stored,
    Delivered,
    Failed,
    Displayed,
}

impl Reports {
    /// Whether anything is to be told.
    pub(super) fn are_wanted(&self) -> bool {
        !self.report.is_empty()
    }

    /// What the message asks for.
    pub(super) fn dispositions(&self) -> Dispositions {
        let has = |one| self.report.contains(&one);
        Dispositions {
            positive_delivery: has(Report::Delivered),
            negative_delivery: has(Report::Failed),
            processing: has(Report::Stored),
            display: has(Report::Displayed),
        }
    }

    /// Prints what comes, until all is told or the time is over.
    pub(super) async fn follow(&self, incoming: &mut Incoming, receipt: &Receipt) {
        let mut open = questions(self.dispositions(), &receipt.outcome);
        let deadline = tokio::time::Instant::now() + self.wait;
        while !open.is_empty() {
            let next = tokio::time::timeout_at(deadline, incoming.next()).await;
            let Ok(Some(received)) = next else {
                println!(
                    "no more reports after {}",
                    humantime::format_duration(self.wait)
                );
                return;
            };
            for imdn in received.notifications() {
                if imdn.message_id == receipt.message_id {
                    println!("report {}", line(&imdn));
                    open.retain(|question| *question != imdn.disposition.question());
                }
            }
        }
    }
}

/// The questions that a message with this outcome still has an answer to.
fn questions(asked: Dispositions, outcome: &Outcome) -> Vec<&'static str> {
    let is_stored = *outcome == Outcome::Stored;
    let is_refused = matches!(outcome, Outcome::Refused { .. });
    let delivery = asked.positive_delivery || (asked.negative_delivery && is_stored);
    let all = [
        (asked.processing && is_stored, Disposition::Stored),
        (delivery, Disposition::Delivered),
        (asked.display, Disposition::Displayed),
    ];
    let open = all.iter().filter(|(is_open, _)| *is_open && !is_refused);
    open.map(|(_, answer)| answer.question()).collect()
}

/// What was received, if it only tells of other messages: a line for each.
pub(super) fn told(received: &Received) -> io::Result<Option<String>> {
    let of_type = |one| mime::is(&received.content_type, one);
    let may_tell = of_type(mime::IMDN) || of_type(mime::MULTIPART_MIXED);
    if !may_tell || received.size > LIMIT {
        return Ok(None);
    }
    let (octets, file) = match &received.body {
        Body::Bytes(octets) => (octets.clone(), None),
        Body::File(path) => (Bytes::from(fs::read(path)?), Some(path)),
    };
    let all = Imdn::all_in(&received.content_type, &octets);
    if all.is_empty() {
        return Ok(None);
    }
    if let Some(file) = file {
        fs::remove_file(file)?;
    }
    let lines = all.iter().map(|imdn| {
        let message_id = &imdn.message_id;
        format!("report of {message_id}: {}", line(imdn))
    });
    Ok(Some(lines.collect::<Vec<_>>().join("\n")))
}

fn line(imdn: &Imdn) -> String {
    let recipient = imdn.recipient.as_deref().unwrap_or("somebody");
    format!("{}: {recipient}", imdn.disposition.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_with_an_answer_to_come_are_waited_for() {
        let asked = Dispositions::parse("processing, negative-delivery");
        let refused = Outcome::Refused {
            code: 404,
            reason: String::new(),
        };
        let stored = ["processing-notification", "delivery-notification"];
        assert_eq!(questions(asked, &Outcome::Stored), stored);
        assert!(questions(asked, &Outcome::Delivered).is_empty());
        assert!(questions(asked, &refused).is_empty());
        let asked = Dispositions::parse("positive-delivery, display");
        let delivered = ["delivery-notification", "display-notification"];
        assert_eq!(questions(asked, &Outcome::Delivered), delivered);
    }
}
