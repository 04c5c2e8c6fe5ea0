//! What a run comes to.
use crate::{
    book::Book,
    ledger::{Entry, Fault},
    plan::{Part, Plan},
    report::{FORMAT, FaultLine, KindSum, Machine, Phase, Report, command, timeline::Timeline},
    scrape::Scraper,
    users::Names,
};
use restante::clock::{self, Timestamp};
use std::collections::BTreeSet;

/// Messages with a fault that are named in the report.
const FAULTS_NAMED: usize = 20;

/// What a report says of a run besides figures.
pub(super) struct About {
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) pace: String,
    pub(super) begun: Timestamp,
    pub(super) is_retrieved: bool,
}

/// What the ledger of a run comes to.
pub(super) fn report(about: About, plan: &Plan, names: &Names, book: &Book) -> Report {
    let pages = book.pages();
    let ledger = match about.is_retrieved {
        true => pages.ledger.verdict(),
        false => pages.ledger.verdict_before_retrieval(),
    };
    let faults = match ledger.is_clean() {
        true => Vec::new(),
        false => pages.ledger.faults(FAULTS_NAMED),
    };
    let line = |(entry, receiver, fault): (&Entry, usize, Fault)| FaultLine {
        fault,
        message_id: plan.message_id(entry.message.number),
        sender: names.address(entry.message.sender),
        receiver: names.address(receiver),
        size: entry.message.size,
    };
    let most = |count: fn(&Part) -> usize| plan.parts.iter().map(count).max().unwrap_or_default();
    let sizes = plan.parts.iter().map(|part| part.sizes.to_string());
    let sizes: BTreeSet<String> = sizes.collect();
    Report {
        format: FORMAT,
        scenario: about.name,
        command: command::line(),
        begun: about.begun.to_rfc3339(),
        machine: Machine::here(None),
        seed: plan.seed,
        senders: most(|part| part.senders),
        receivers: most(|part| part.receivers),
        messages: ledger.sent,
        size: sizes.into_iter().collect::<Vec<_>>().join("; "),
        mode: about.mode,
        pace: about.pace,
        is_retrieved: about.is_retrieved,
        faults: faults.into_iter().map(line).collect(),
        ledger,
        refusals: pages.refusals.clone().into_iter().collect(),
        ..Report::default()
    }
}

/// `report` with what was counted, and with what was seen of the server.
pub(super) fn with_figures(
    report: Report,
    book: &Book,
    phases: Vec<Phase>,
    scraper: &Scraper,
) -> Report {
    let pages = book.pages();
    Report {
        seconds: book.elapsed(clock::now()).as_secs_f64(),
        machine: Machine::here(scraper.version()),
        phases,
        kinds: KindSum::all(&pages.series),
        server: scraper.usage(),
        timeline: Timeline::new(&pages.series, &scraper.samples()),
        ..report
    }
}
