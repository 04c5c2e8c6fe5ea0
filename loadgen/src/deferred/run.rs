//! Leads through a run: senders log in and send, then receivers come and take.
use super::{
    book::Book,
    options::{Load, Output},
    report::{self, Report},
    wire::Wire,
};
use crate::{
    progress::Progress,
    relay::{
        charts::{About, Charts},
        processes::Server,
        report::Figures,
        tally::Tally,
    },
};
use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::spawn_local, time::sleep};

/// Logins under way at the same time.
const AT_ONCE: usize = 32;

/// How often progress is shown and the servers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The processes that are watched: the servers, and the generator itself.
struct Watched {
    servers: Vec<Server>,
    own: Server,
    charts: Option<Charts>,
}

/// What one phase is called, how many steps it has, and how long nothing may happen in it.
struct Phase<'a> {
    name: &'static str,
    total: u64,
    output: &'a Output,
    patience: Duration,
}

/// Plays the whole run.
///
/// Errors: a sentence for the user if it could not be made.
pub async fn play<W: Wire>(
    wire: Rc<W>,
    book: Rc<Book>,
    load: &Load,
    output: &Output,
) -> Result<Report, String> {
    let begun = Instant::now();
    if output.html.is_some() {
        book.chart(begun);
    }
    let servers = output.server_pid.iter().map(|pid| Server::watch(*pid));
    let mut watched = Watched {
        servers: servers.collect::<Result<_, _>>()?,
        own: Server::watch(std::process::id())?,
        charts: Charts::begin(output, begun)?,
    };
    let phase = |name, total| Phase {
        name,
        total,
        output,
        patience: Duration::from_secs(load.patience),
    };
    let numbers = || stream::iter(0..book.lanes());
    let senders = numbers().map(|number| wire.sender(number));
    let senders: Vec<W::Sender> = senders.buffer_unordered(AT_ONCE).try_collect().await?;
    let lanes = book.lanes() as u64;
    let warm = phase("warm up", load.warm_up * lanes);
    let before = accept::<W>(&book, &senders, &warm, &mut watched).await;
    let phase_of_all = phase("accept", load.messages);
    let accepted = accept::<W>(&book, &senders, &phase_of_all, &mut watched).await;
    join_all(senders.into_iter().map(W::part)).await;
    let mut is_clean = before.is_clean() && accepted.is_clean();
    let mut fetched = None;
    if !load.no_fetch {
        let receivers = numbers().map(|number| wire.receiver(number));
        let receivers = receivers.buffered(AT_ONCE).try_collect().await?;
        let phase = phase("fetch", load.messages + warm.total);
        let figures = fetch(&wire, &book, receivers, load, &phase, &mut watched).await;
        is_clean &= figures.is_clean();
        fetched = Some(figures);
    }
    let report = Report {
        load: report::words(load),
        accept: accepted,
        fetch: fetched,
        is_clean,
    };
    watched.keep(load, &report).map(|()| report)
}

async fn accept<W: Wire>(
    book: &Rc<Book>,
    senders: &[W::Sender],
    phase: &Phase<'_>,
    watched: &mut Watched,
) -> Figures {
    watched.begin(phase.name);
    let begun = Instant::now();
    book.begin_accept(phase.total);
    senders.iter().for_each(W::pump);
    watch(book, phase, watched).await;
    let silent = book.outstanding();
    watched.figures(book, begun, |tally| tally.unanswered += silent)
}

async fn fetch<W: Wire>(
    wire: &Rc<W>,
    book: &Rc<Book>,
    receivers: Vec<W::Receiver>,
    load: &Load,
    phase: &Phase<'_>,
    watched: &mut Watched,
) -> Figures {
    watched.begin(phase.name);
    let begun = Instant::now();
    book.begin_fetch();
    let room = Rc::new(Semaphore::new(load.at_once as usize));
    let mut tasks = Vec::new();
    for (number, receiver) in receivers.into_iter().enumerate() {
        let (wire, book, room) = (wire.clone(), book.clone(), room.clone());
        tasks.push(spawn_local(async move {
            let _turn = room.acquire().await;
            book.asked(number, Instant::now());
            let outcome = wire.fetch(receiver).await;
            book.emptied(outcome);
        }));
    }
    watch(book, phase, watched).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let lost = book.waiting_in_all();
    watched.figures(book, begun, |tally| tally.lost += lost)
}

/// Shows progress until the phase is over, or nothing comes any more.
async fn watch(book: &Book, phase: &Phase<'_>, watched: &mut Watched) {
    let mut progress = Progress::begin(phase.name, phase.total, phase.output.quiet, Instant::now());
    loop {
        tokio::select! {
            () = book.finished() => break,
            () = sleep(LOOK_EVERY) => {}
        }
        watched.servers.iter_mut().for_each(Server::look);
        progress.at(book.done(), Instant::now());
        if book.moved().elapsed() > phase.patience {
            break;
        }
    }
    progress.end(book.done(), Instant::now());
}

impl Watched {
    fn begin(&mut self, phase: &str) {
        if let Some(charts) = &mut self.charts {
            charts.phase(phase);
        }
        self.servers
            .iter_mut()
            .chain([&mut self.own])
            .for_each(Server::begin);
    }

    /// What the phase came to; `missed` notes what it still waited for.
    fn figures(&mut self, book: &Book, begun: Instant, missed: impl FnOnce(&mut Tally)) -> Figures {
        let mut tally = book.end();
        missed(&mut tally);
        if let Some(charts) = &mut self.charts {
            charts.add(&tally);
        }
        let time = tally.last.map_or(begun.elapsed(), |last| last - begun);
        let used = self.servers.iter().map(|one| one.usage(tally.received));
        let own = self.own.usage(tally.received);
        Figures::new(&tally, time, used.collect(), &own)
    }

    /// Writes the page of the run, if one is wanted.
    fn keep(&self, load: &Load, report: &Report) -> Result<(), String> {
        let Some(charts) = &self.charts else {
            return Ok(());
        };
        let fetched = report.fetch.as_ref().map(|figures| ("deliver", figures));
        let phases: Vec<_> = [("accept", &report.accept)]
            .into_iter()
            .chain(fetched)
            .collect();
        let about = About {
            scenario: "deferred",
            senders: load.senders as usize,
            size: load.size.as_u64(),
            pace: format!("window {}", load.window),
            is_clean: report.is_clean,
        };
        charts.write(about, &phases)
    }
}
