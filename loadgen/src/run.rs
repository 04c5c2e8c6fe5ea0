//! Leads a run from its options to its report.
use crate::{
    args::{Load, Options, Scenario},
    book::Book,
    crew::{Crew, Orders},
    device,
    ledger::Ledger,
    limits,
    plan::Plan,
    progress::Progress,
    report::{FaultLine, Phase, Report},
    scene::Scene,
    server::Watch,
    users::{self, Names, Registry},
};
use restante::{clock, net};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::sync::Barrier;

/// How often progress is shown and the server is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Messages with a fault that are named in the report.
const FAULTS_NAMED: usize = 20;

/// Does what the command line says.
///
/// Errors: a sentence for the user if the run could not be made; what the server did wrong is no
/// error but stands in the report.
pub async fn run(scenario: &Scenario) -> Result<Report, String> {
    let options = scenario.options();
    limits::raise_open_files();
    let ledger = ledger_of(scenario)?;
    let plan = ledger.plan().clone();
    let names = Names::new(&options.server.domain);
    if !options.server.no_provisioning {
        make_users(options, &names, plan.users())?;
    }
    let book = Book::open(ledger, clock::now());
    let orders = orders(options, &plan, names.clone(), book.clone());
    let mut watch = Watch::begin(options.server.server_pid);
    let phases = play(scenario, orders, &mut watch).await?;
    let report = report(scenario, &plan, &names, &book, phases, &mut watch);
    keep(options, &book, &report)?;
    Ok(report)
}

/// The book a run begins with: a new one, or the one of an earlier run.
fn ledger_of(scenario: &Scenario) -> Result<Ledger, String> {
    let options = scenario.options();
    let new_plan = || options.load.plan(net::random_u64() >> 11);
    match (scenario, &options.output.ledger) {
        (Scenario::Retrieve(_), Some(path)) => read_ledger(path),
        (Scenario::Retrieve(options), None) => match options.load.seed {
            Some(_) => new_plan().map(Ledger::assumed),
            None => Err("retrieve wants the --ledger or the --seed of an earlier run".to_owned()),
        },
        _ => new_plan().map(Ledger::new),
    }
}

fn read_ledger(path: &Path) -> Result<Ledger, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn make_users(options: &Options, names: &Names, count: usize) -> Result<(), String> {
    let token = match &options.server.token {
        Some(token) => Ok(token.clone()),
        None => users::token_in(options.server.data.as_deref()),
    };
    let token = token.map_err(|error| error.to_string())?;
    let registry = Registry {
        server: options.server.http,
        token,
    };
    let begun = clock::now();
    let progress = Progress::begin("users", count as u64, options.output.quiet, begun);
    let progress = std::sync::Mutex::new(progress);
    let made = |made: usize| {
        if let Ok(mut progress) = progress.lock() {
            progress.at(made as u64, clock::now());
        }
    };
    registry
        .make(names, count, made)
        .map_err(|error| error.to_string())?;
    if let Ok(progress) = progress.into_inner() {
        progress.end(count as u64, clock::now());
    }
    Ok(())
}

fn orders(options: &Options, plan: &Plan, names: Names, book: Book) -> Orders {
    let Load {
        threads,
        concurrency,
        retries,
        patience,
        mode,
        ..
    } = options.load;
    let threads = usize::from(threads);
    Orders {
        plan: plan.clone(),
        names,
        book,
        host: device::Settings::new(&options.server, mode),
        threads,
        window: (concurrency as usize).div_ceil(threads),
        retries,
        patience: Duration::from_secs(patience),
    }
}

/// Plays all scenes on all threads, and times them.
async fn play(
    scenario: &Scenario,
    orders: Orders,
    watch: &mut Watch,
) -> Result<Vec<Phase>, String> {
    let scenes = Scene::of(scenario);
    let book = orders.book.clone();
    let together = Arc::new(Barrier::new(orders.threads + 1));
    let shards = net::Shards::start(orders.threads);
    for thread in 0..orders.threads {
        let (orders, together) = (orders.clone(), together.clone());
        shards.spawn_on(thread, move || take_part(orders, thread, scenes, together));
    }
    together.wait().await;
    let mut phases = Vec::new();
    for scene in scenes {
        if let Some(why) = book.pages().broken.clone() {
            return Err(why);
        }
        let quiet = scenario.options().output.quiet;
        phases.push(timed(*scene, &orders.plan, &book, quiet, watch, &together).await);
    }
    // everybody has logged out
    together.wait().await;
    Ok(phases)
}

async fn take_part(orders: Orders, thread: usize, scenes: &[Scene], together: Arc<Barrier>) {
    let book = orders.book.clone();
    let crew = Crew::gather(orders, thread).await;
    together.wait().await;
    let crew = match crew {
        Ok(crew) => crew,
        Err(why) => return book.give_up(why),
    };
    for scene in scenes {
        together.wait().await;
        scene.play(&crew).await;
        together.wait().await;
    }
    crew.leave().await;
    together.wait().await;
}

/// Watches one scene from its begin to its end.
async fn timed(
    scene: Scene,
    plan: &Plan,
    book: &Book,
    quiet: bool,
    watch: &mut Watch,
    together: &Barrier,
) -> Phase {
    let cpu_before = watch.cpu();
    let before = book.pages().tally(scene).clone();
    let begun = clock::now();
    let done = || book.pages().tally(scene).count() - before.count();
    let total = scene.total(plan, book.pages().ledger.outstanding());
    let mut progress = Progress::begin(scene.name(), total, quiet, begun);
    together.wait().await;
    let mut ended = std::pin::pin!(together.wait());
    loop {
        tokio::select! {
            _ = &mut ended => break,
            () = tokio::time::sleep(LOOK_EVERY) => {
                watch.look();
                progress.at(done(), clock::now());
            }
        }
    }
    progress.end(done(), clock::now());
    let cpu = watch
        .cpu()
        .zip(cpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    let pages = book.pages();
    let tally = pages.tally(scene);
    Phase {
        name: scene.name().to_owned(),
        count: tally.count() - before.count(),
        octets: tally.octets() - before.octets(),
        time: tally
            .last()
            .map_or(Duration::ZERO, |last| last.saturating_duration_since(begun)),
        latency_ms: tally.percentiles(),
        server_cpu: cpu,
    }
}

fn report(
    scenario: &Scenario,
    plan: &Plan,
    names: &Names,
    book: &Book,
    phases: Vec<Phase>,
    watch: &mut Watch,
) -> Report {
    let pages = book.pages();
    let retrieved = Scene::of(scenario).contains(&Scene::Retrieve);
    let ledger = match retrieved {
        true => pages.ledger.verdict(),
        false => pages.ledger.verdict_before_retrieval(),
    };
    let faults = match ledger.is_clean() {
        true => Vec::new(),
        false => pages.ledger.faults(FAULTS_NAMED),
    };
    let line = |(entry, fault): (&crate::ledger::Entry, _)| FaultLine {
        fault,
        message_id: plan.message_id(entry.message.number),
        sender: names.address(entry.message.sender),
        receiver: names.address(entry.message.receiver),
        size: entry.message.size,
    };
    Report {
        scenario: scenario.name().to_owned(),
        seed: plan.seed,
        senders: plan.senders,
        receivers: plan.receivers,
        messages: plan.messages,
        size: plan.sizes.to_string(),
        mode: scenario.options().load.mode.name().to_owned(),
        is_retrieved: retrieved,
        phases,
        server: watch.usage(),
        ledger,
        faults: faults.into_iter().map(line).collect(),
        refusals: pages.refusals.clone().into_iter().collect(),
        ..Report::default()
    }
}

/// Writes the files the user asked for.
fn keep(options: &Options, book: &Book, report: &Report) -> Result<(), String> {
    if let Some(path) = &options.output.ledger {
        write(path, &book.pages().ledger)?;
    }
    match &options.output.json {
        Some(path) => write(path, report),
        None => Ok(()),
    }
}

fn write(path: &Path, document: &impl serde::Serialize) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = serde_json::to_string_pretty(document).map_err(|error| wrong(&error))?;
    fs::write(path, text).map_err(|error| wrong(&error))
}
