//! Leads a run from its options to its report.
mod stages;
mod summary;
mod users;

use crate::{
    book::Book,
    course::Course,
    crew::Orders,
    device,
    journal::{self, Journal},
    keeper::Keeper,
    ledger::Ledger,
    live::View,
    plan::Plan,
    report::{Report, file},
    scenario::Scenario,
    scrape::Scraper,
    server::{self, Pid, Watch},
    users::{Names, Rooms},
};
use restante::{clock, net};
use stages::Watcher;
use std::path::Path;
use summary::About;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a run that was stopped.
pub const STOPPED: i32 = 130;

/// Does what the command line or a scenario file says; says too whether it was stopped.
///
/// Errors: a sentence for the user if the run could not be made; what the server did wrong is no
/// error but stands in the report.
pub async fn run(course: &Course) -> Result<(Report, bool), String> {
    restante::net::raise_open_files();
    let (ledger, journal) = ledger_of(course)?;
    let mut course = course.clone();
    let server = &mut course.options.server;
    let spawn = server.spawn.clone();
    let spawn = spawn.or_else(|| {
        server
            .kill_server_every
            .map(|_| "restante serve".to_owned())
    });
    let keeper = spawn.map(|command| Keeper::start(&command, server.data.as_deref()));
    let keeper = keeper.transpose()?;
    if let Some(keeper) = &keeper {
        keeper.introduce(server);
    }
    let played = play(&course, ledger, journal, keeper.as_ref()).await;
    let is_clean = played.as_ref().is_ok_and(|(report, _)| report.is_clean());
    if let Some(folder) = keeper.and_then(|keeper| keeper.stop(!is_clean)) {
        eprintln!(
            "loadgen: data and log of the server are kept in {}",
            folder.display()
        );
    }
    let (report, is_stopped) = played?;
    let output = &course.options.output;
    file::keep(&report, output.json.as_deref(), output.html.as_deref())?;
    Ok((report, is_stopped))
}

/// What the ledger of an earlier run comes to.
///
/// Errors: a sentence for the user if it cannot be read.
pub fn judge(path: &Path) -> Result<Report, String> {
    let ledger = journal::read(path).map_err(|error| error.to_string())?;
    let (plan, is_retrieved) = (ledger.plan().clone(), ledger.is_retrieved());
    let names = Names::new("localhost");
    let book = Book::open(ledger, None, clock::now());
    let about = About {
        name: "judge".to_owned(),
        mode: String::new(),
        pace: String::new(),
        begun: clock::wall(),
        is_retrieved,
    };
    Ok(summary::report(about, &plan, &names, &book))
}

async fn play(
    course: &Course,
    ledger: Ledger,
    journal: Option<Journal>,
    keeper: Option<&Keeper>,
) -> Result<(Report, bool), String> {
    let options = &course.options;
    let plan = ledger.plan().clone();
    let names = Names::new(&options.server.domain);
    let rooms = Rooms::new(&options.server.domain, plan.seed);
    if !options.server.no_provisioning {
        users::make(course, &plan, &names, &rooms)?;
    }
    let (begun, at) = (clock::now(), clock::wall());
    let book = Book::open(ledger, journal, begun);
    let orders = orders(course, &plan, names.clone(), rooms, book.clone());
    let pid: Pid = match (keeper, options.server.server_pid) {
        (Some(keeper), _) => Box::new(keeper.pid()),
        (None, Some(pid)) => Box::new(move || Some(pid)),
        (None, None) => server::listener(options.server.http),
    };
    let scraper = Scraper::start(Some(options.server.http), Watch::follow(pid), begun)?;
    let killer = keeper
        .zip(options.server.kill_server_every)
        .map(|(keeper, every)| keeper.kill_every(every, book.clone()));
    let mut watcher = Watcher::new(View::begin(options.output.quiet), scraper);
    let _stopper = stopper(book.clone());
    let phases = stages::play(orders, killer, &mut watcher).await?;
    let is_retrieved = course.is_retrieved() && !book.is_over();
    if is_retrieved {
        book.retrieved();
    }
    let about = About {
        name: course.name.clone(),
        mode: course.modes(),
        pace: course.paces(),
        begun: at,
        is_retrieved,
    };
    let report = summary::report(about, &plan, &names, &book);
    let report = summary::with_figures(report, &book, phases, &watcher.scraper);
    Ok((report, book.is_over()))
}

/// Ends the run in good order at the first Ctrl-C or SIGTERM, and at once at the second.
fn stopper(book: Book) -> actix_rt::task::JoinHandle<()> {
    actix_rt::spawn(async move {
        for is_second in [false, true] {
            if let Err(error) = signalled().await {
                eprintln!("loadgen: cannot hear signals: {error}");
                return;
            }
            if is_second {
                std::process::exit(STOPPED);
            }
            eprintln!("loadgen: stopping; once more to stop at once");
            book.stop();
        }
    })
}

async fn signalled() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// The book a run begins with, a new one or the one of an earlier run, and its file.
fn ledger_of(course: &Course) -> Result<(Ledger, Option<Journal>), String> {
    let only = match course.stages.as_slice() {
        [only] => Some(only.scenario),
        _ => None,
    };
    let new_plan = || course.plan(net::random_u64() >> 11);
    let path = course.options.output.ledger.as_deref();
    match (only, path) {
        (Some(Scenario::Retrieve), Some(path)) => {
            let (mut journal, mut ledger) =
                Journal::resume(path).map_err(|error| error.to_string())?;
            // what the earlier run had not confirmed when it ended may come again
            let broke = crate::ledger::Event::Broke(ledger.latest());
            journal.write(&broke).map_err(|error| error.to_string())?;
            ledger.apply(&broke);
            Ok((ledger, Some(journal)))
        }
        (Some(Scenario::Retrieve), None) => match course.options.server.seed {
            Some(_) => Ok((Ledger::assumed(new_plan()?), None)),
            None => Err("retrieve wants the --ledger or the --seed of an earlier run".to_owned()),
        },
        (_, path) => {
            let plan = new_plan()?;
            let journal = path.map(|path| Journal::create(path, &plan));
            let journal = journal.transpose().map_err(|error| error.to_string())?;
            Ok((Ledger::new(plan), journal))
        }
    }
}

fn orders(course: &Course, plan: &Plan, names: Names, rooms: Rooms, book: Book) -> Orders {
    let server = &course.options.server;
    let locals = server.local.0.iter();
    Orders {
        plan: plan.clone(),
        stages: course.stages.clone().into(),
        names,
        rooms,
        book,
        hosts: locals
            .map(|local| device::Settings::new(*local, server.sip, server.tcp))
            .collect(),
        threads: usize::from(server.threads),
        is_killed: course.is_killed(),
    }
}
