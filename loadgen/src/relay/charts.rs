//! The page with charts of a run against peers, where one is wanted.
use super::{options::Output, processes::tree_of, report::Figures, tally::Tally};
use crate::{
    ledger::Verdict,
    report::{FORMAT, KindSum, Machine, Phase, Report, command, file, timeline::Timeline},
    scrape::Scraper,
    series::{Event, Series},
    server::Watch,
};
use restante::clock::{self, Timestamp};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// What is seen of a run over time.
pub struct Charts {
    page: PathBuf,
    begun: Instant,
    at: Timestamp,
    series: Series,
    scraper: Scraper,
}

/// What a page says of a run besides figures.
#[derive(Clone, Debug)]
pub struct About {
    /// What was played.
    pub scenario: &'static str,
    /// Those who sent, each with a receiver.
    pub senders: usize,
    /// Octets of a message.
    pub size: u64,
    /// What set the pace.
    pub pace: String,
    /// Whether all went well.
    pub is_clean: bool,
}

impl Charts {
    /// Looks at a run that began at `begun`, and at its first server, if `output` wants a page.
    ///
    /// Errors: a sentence for the user if there can be no more threads.
    pub fn begin(output: &Output, begun: Instant) -> Result<Option<Self>, String> {
        let Some(page) = output.html.clone() else {
            return Ok(None);
        };
        let pid = output.server_pid.first().copied();
        let watch = Watch::measure(Box::new(move || pid), tree_of);
        Ok(Some(Self {
            page,
            begun,
            at: clock::wall(),
            series: Series::default(),
            scraper: Scraper::start(None, watch, begun)?,
        }))
    }

    /// The phase called `name` begins.
    pub fn phase(&mut self, name: &str) {
        let at = self.begun.elapsed();
        self.series.mark(at, Event::Phase(name.to_owned()));
    }

    /// Takes what a phase counted.
    pub fn add(&mut self, tally: &Tally) {
        if let Some(charted) = &tally.charted {
            self.series.add(&charted.series);
        }
    }

    /// Writes the page: `phases` are those that count, the last of which received what was sent.
    ///
    /// Errors: a sentence for the user about the file that cannot be written.
    pub fn write(&self, about: About, phases: &[(&str, &Figures)]) -> Result<(), String> {
        let ledger = verdict(phases);
        let report = Report {
            format: FORMAT,
            scenario: about.scenario.to_owned(),
            command: command::line(),
            begun: self.at.to_rfc3339(),
            seconds: self.begun.elapsed().as_secs_f64(),
            machine: Machine::here(None),
            senders: about.senders,
            receivers: about.senders,
            messages: ledger.sent,
            size: format!("{}B", about.size),
            mode: "channel".to_owned(),
            pace: about.pace,
            phases: phases.iter().map(|(name, of)| phase(name, of)).collect(),
            kinds: KindSum::all(&self.series),
            server: self.scraper.usage(),
            is_broken: !about.is_clean && ledger.is_clean(),
            ledger,
            refusals: phases
                .iter()
                .flat_map(|(_, of)| of.refusals.clone())
                .collect(),
            timeline: Timeline::new(&self.series, &self.scraper.samples()),
            ..Report::default()
        };
        file::keep(&report, None, Some(&self.page))
    }
}

fn phase(name: &str, of: &Figures) -> Phase {
    let cpu: f64 = of.servers.iter().map(|server| server.cpu_seconds).sum();
    Phase {
        name: name.to_owned(),
        count: of.messages,
        octets: of.octets,
        time: Duration::from_secs_f64(of.seconds),
        latency_ms: of.latency_ms,
        server_cpu: (!of.servers.is_empty()).then(|| Duration::from_secs_f64(cpu)),
        ..Phase::default()
    }
}

fn verdict(phases: &[(&str, &Figures)]) -> Verdict {
    let sum = |count: fn(&Figures) -> u64| phases.iter().map(|(_, of)| count(of)).sum();
    let first = phases.first().map_or(0, |(_, of)| of.messages + of.lost);
    let last = phases.last().map_or(0, |(_, of)| of.messages);
    Verdict {
        sent: first,
        acknowledged: first,
        delivered: last,
        lost: sum(|of| of.lost),
        duplicated: sum(|of| of.doubled),
        corrupted: sum(|of| of.corrupted),
        ..Verdict::default()
    }
}
