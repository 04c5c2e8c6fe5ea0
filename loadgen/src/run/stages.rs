//! Plays all scenes of all stages on all threads, and times them.
use crate::{
    book::{Book, Sheet, Tally},
    course::Stage,
    crew::{Crew, Orders},
    keeper::Killer,
    live::{Extent, Look, View},
    report::{Phase, timeline::watched_after},
    scenario::Scene,
    scrape::Scraper,
    series::Kind,
};
use restante::{clock, net};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Barrier;

/// How often it is shown how far the run is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Who looks at a run while it goes on.
pub(super) struct Watcher {
    view: View,
    pub(super) scraper: Scraper,
}

impl Watcher {
    pub(super) fn new(view: View, scraper: Scraper) -> Self {
        Self { view, scraper }
    }

    fn begin(&mut self, name: &str, extent: Extent, now: Duration) {
        self.view.begin_phase(name, extent, now);
    }

    fn look(&mut self, book: &Book, kinds: &[Kind], is_end: bool) {
        let latest = self.scraper.latest();
        let server = latest.map(|(before, last)| watched_after(before.as_ref(), &last));
        let now = book.elapsed(clock::now());
        let pages = book.pages();
        let done = kinds.iter().map(|kind| pages.sheet.tally(*kind).count());
        let look = Look {
            now,
            done: done.sum(),
            series: &pages.series,
            server,
        };
        let shot = match is_end {
            true => self.view.compose_end(&look),
            false => self.view.compose(&look),
        };
        // a slow terminal keeps nobody from writing into the book
        drop(pages);
        match is_end {
            true => self.view.end_phase(shot),
            false => self.view.show(shot),
        }
    }
}

/// Plays them; `killer` goes on until the load is done.
///
/// Errors: a sentence for the user if the run cannot go on.
pub(super) async fn play(
    orders: Orders,
    killer: Option<Killer>,
    watcher: &mut Watcher,
) -> Result<Vec<Phase>, String> {
    let book = orders.book.clone();
    let together = Arc::new(Barrier::new(orders.threads + 1));
    let shards = net::Shards::start(orders.threads);
    for thread in 0..orders.threads {
        let (orders, together) = (orders.clone(), together.clone());
        shards.spawn_on(thread, move || take_part(orders, thread, together));
    }
    together.wait().await;
    let mut phases = Vec::new();
    for (index, stage) in orders.stages.iter().enumerate() {
        for scene in stage.scenario.scenes() {
            if let Some(why) = broken(&book) {
                return Err(why);
            }
            let timed = Timed::begin(*scene, stage, &orders, index, watcher);
            phases.extend(timed.watch(&book, watcher, &together).await);
        }
        if index + 1 < orders.stages.len() {
            // everybody has logged out
            together.wait().await;
        }
    }
    // a server that is down lets nobody log out
    drop(killer);
    together.wait().await;
    together.wait().await;
    match broken(&book) {
        Some(why) => Err(why),
        None => Ok(phases),
    }
}

fn broken(book: &Book) -> Option<String> {
    book.pages().broken.clone()
}

async fn take_part(orders: Orders, thread: usize, together: Arc<Barrier>) {
    let (book, stages) = (orders.book.clone(), orders.stages.clone());
    let crew = Crew::gather(orders, thread).await;
    if let Err(why) = &crew {
        book.give_up(why.clone());
    }
    together.wait().await;
    let Ok(crew) = crew else {
        return;
    };
    for (index, stage) in stages.iter().enumerate() {
        let crew = crew.in_stage(index);
        for scene in stage.scenario.scenes() {
            together.wait().await;
            scene.play(&crew).await;
            together.wait().await;
        }
        if index + 1 == stages.len() {
            together.wait().await;
        }
        crew.leave().await;
        together.wait().await;
    }
}

/// One scene that is watched from its begin to its end.
struct Timed {
    scene: Scene,
    title: Option<String>,
}

impl Timed {
    fn begin(
        scene: Scene,
        stage: &Stage,
        orders: &Orders,
        index: usize,
        watcher: &mut Watcher,
    ) -> Self {
        let now = clock::now();
        let title = stage.name.clone();
        let name = match &title {
            Some(title) => format!("{title}: {}", scene.name()),
            None => scene.name().to_owned(),
        };
        orders.book.begin_scene(&name, now);
        let owed = orders.book.pages().ledger.outstanding();
        let total = scene.total(stage, &orders.plan.parts[index], owed);
        let extent = match (total, stage.load.duration) {
            (None, Some(time)) => Extent::Time(time),
            (total, _) => Extent::Steps(total.unwrap_or_default()),
        };
        watcher.begin(&name, extent, orders.book.elapsed(now));
        Self { scene, title }
    }

    async fn watch(self, book: &Book, watcher: &mut Watcher, together: &Barrier) -> Vec<Phase> {
        let cpu_before = watcher.scraper.cpu();
        let begun = clock::now();
        let kinds = self.scene.counts();
        together.wait().await;
        let mut ended = std::pin::pin!(together.wait());
        loop {
            tokio::select! {
                _ = &mut ended => break,
                () = tokio::time::sleep(LOOK_EVERY) => watcher.look(book, kinds, false),
            }
        }
        watcher.look(book, kinds, true);
        let cpu = watcher.scraper.cpu().zip(cpu_before);
        let cpu = cpu.map(|(after, before)| after.saturating_sub(before));
        phases(
            &book.pages().sheet,
            self.title.as_deref(),
            begun,
            self.scene,
            cpu,
        )
    }
}

/// What was done in a scene: first what it is for, with the server's processor time, then what
/// happened beside it.
fn phases(
    sheet: &Sheet,
    title: Option<&str>,
    begun: Instant,
    scene: Scene,
    cpu: Option<Duration>,
) -> Vec<Phase> {
    let named = |name: &str| match title {
        Some(title) => format!("{title}: {name}"),
        None => name.to_owned(),
    };
    let time = |last: Instant| last.saturating_duration_since(begun);
    let phase = |(kind, tally): (Kind, &Tally)| {
        let is_first = scene.counts()[0] == kind;
        let is_aside = !scene.counts().contains(&kind);
        Phase {
            name: named(kind.name()),
            beside: is_aside.then(|| named(scene.name())),
            count: tally.count(),
            octets: tally.octets(),
            time: tally.last().map_or(Duration::ZERO, time),
            latency_ms: tally.percentiles(),
            waited: if is_first { sheet.waited } else { 0 },
            server_cpu: cpu.filter(|_| is_first),
        }
    };
    let mut phases: Vec<Phase> = sheet.tallies().map(phase).collect();
    phases.sort_by_key(|phase| phase.beside.is_some());
    phases
}
