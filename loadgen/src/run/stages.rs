//! Plays all scenes of all stages on all threads, and times them.
use crate::{
    book::{Book, Sheet},
    course::Stage,
    crew::{Crew, Orders},
    keeper::Killer,
    progress::Progress,
    report::Phase,
    scenario::Scene,
    server::Watch,
};
use restante::{clock, net};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Barrier;

/// How often progress is shown and the server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Plays them; `killer` goes on until the load is done.
///
/// Errors: a sentence for the user if the run cannot go on.
pub(super) async fn play(
    orders: Orders,
    quiet: bool,
    killer: Option<Killer>,
    watch: &mut Watch,
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
            let timed = Timed::begin(*scene, stage, &orders, index, quiet);
            phases.extend(timed.watch(&book, watch, &together).await);
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
    progress: Progress,
}

impl Timed {
    fn begin(scene: Scene, stage: &Stage, orders: &Orders, index: usize, quiet: bool) -> Self {
        let now = clock::now();
        let title = stage.name.clone();
        let name = match &title {
            Some(title) => format!("{title}: {}", scene.name()),
            None => scene.name().to_owned(),
        };
        orders.book.begin_scene(&name, now);
        let owed = orders.book.pages().ledger.outstanding();
        let total = scene.total(stage, &orders.plan.parts[index], owed);
        let progress = Progress::begin(scene.name(), total.unwrap_or_default(), quiet, now);
        Self {
            scene,
            title,
            progress,
        }
    }

    async fn watch(mut self, book: &Book, watch: &mut Watch, together: &Barrier) -> Vec<Phase> {
        let cpu_before = watch.cpu();
        let begun = clock::now();
        let done = || {
            let pages = book.pages();
            let kinds = self.scene.counts().iter();
            kinds.map(|kind| pages.sheet.tally(*kind).count()).sum()
        };
        together.wait().await;
        let mut ended = std::pin::pin!(together.wait());
        loop {
            tokio::select! {
                _ = &mut ended => break,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    watch.look();
                    self.progress.at(done(), clock::now());
                }
            }
        }
        self.progress.end(done(), clock::now());
        let cpu = watch.cpu().zip(cpu_before);
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

/// What was done in a scene, by kind; the server's processor time stands with what the scene is for.
fn phases(
    sheet: &Sheet,
    title: Option<&str>,
    begun: Instant,
    scene: Scene,
    cpu: Option<Duration>,
) -> Vec<Phase> {
    let time = |last: Instant| last.saturating_duration_since(begun);
    let phase = |(kind, tally): (crate::series::Kind, &crate::book::Tally)| Phase {
        name: match title {
            Some(title) => format!("{title}: {}", kind.name()),
            None => kind.name().to_owned(),
        },
        count: tally.count(),
        octets: tally.octets(),
        time: tally.last().map_or(Duration::ZERO, time),
        latency_ms: tally.percentiles(),
        server_cpu: cpu.filter(|_| scene.counts()[0] == kind),
    };
    sheet.tallies().map(phase).collect()
}
