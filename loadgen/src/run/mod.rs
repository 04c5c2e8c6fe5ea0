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
    limits,
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

/// Does what the command line or a scenario file says.
///
/// Errors: a sentence for the user if the run could not be made; what the server did wrong is no
/// error but stands in the report.
pub async fn run(course: &Course) -> Result<Report, String> {
    limits::raise_open_files();
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
    let is_clean = played.as_ref().is_ok_and(Report::is_clean);
    if let Some(folder) = keeper.and_then(|keeper| keeper.stop(!is_clean)) {
        eprintln!(
            "loadgen: data and log of the server are kept in {}",
            folder.display()
        );
    }
    let report = played?;
    let output = &course.options.output;
    file::keep(&report, output.json.as_deref(), output.html.as_deref())?;
    Ok(report)
}

/// What the ledger of an earlier run comes to.
///
/// Errors: a sentence for the user if it cannot be read.
pub fn judge(path: &Path) -> Result<Report, String> {
    let ledger = journal::read(path).map_err(|error| error.to_string())?;
    let plan = ledger.plan().clone();
    let names = Names::new("localhost");
    let book = Book::open(ledger, None, clock::now());
    let about = About {
        name: "judge".to_owned(),
        mode: "-".to_owned(),
        pace: String::new(),
        begun: clock::wall(),
        // what was never fetched waits; what was fetched in part tells who was there
        is_retrieved: book
            .pages()
            .ledger
            .entries()
            .any(|entry| entry.copies.iter().any(|copy| !copy.delivered.is_empty())),
    };
    Ok(summary::report(about, &plan, &names, &book))
}

async fn play(
    course: &Course,
    ledger: Ledger,
    journal: Option<Journal>,
    keeper: Option<&Keeper>,
) -> Result<Report, String> {
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
    let phases = stages::play(orders, killer, &mut watcher).await?;
    let about = About {
        name: course.name.clone(),
        mode: course.modes(),
        pace: course.paces(),
        begun: at,
        is_retrieved: course.is_retrieved(),
    };
    let report = summary::report(about, &plan, &names, &book);
    Ok(summary::with_figures(
        report,
        &book,
        phases,
        &watcher.scraper,
    ))
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
