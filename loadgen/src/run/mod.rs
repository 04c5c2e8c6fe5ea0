//! Leads a run from its options to its report.
mod stages;
mod users;

use crate::{
    book::Book,
    course::Course,
    crew::Orders,
    device,
    journal::{self, Journal},
    keeper::Keeper,
    ledger::{Entry, Fault, Ledger},
    limits,
    plan::Plan,
    report::{FaultLine, Phase, Report},
    scenario::Scenario,
    server::{Usage, Watch},
    users::{Names, Rooms},
};
use restante::{clock, net};
use std::{collections::BTreeSet, fs, path::Path};

/// Messages with a fault that are named in the report.
const FAULTS_NAMED: usize = 20;

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
    match &course.options.output.json {
        Some(path) => write(path, &report)?,
        None => {}
    }
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
        // what was never fetched waits; what was fetched in part tells who was there
        is_retrieved: book
            .pages()
            .ledger
            .entries()
            .any(|entry| entry.copies.iter().any(|copy| !copy.delivered.is_empty())),
    };
    Ok(report(about, &plan, &names, &book, Vec::new(), None))
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
    let book = Book::open(ledger, journal, clock::now());
    let orders = orders(course, &plan, names.clone(), rooms, book.clone());
    let mut watch = match keeper {
        Some(keeper) => Watch::follow(Box::new(keeper.pid())),
        None => Watch::begin(options.server.server_pid),
    };
    let killer = keeper
        .zip(options.server.kill_server_every)
        .map(|(keeper, every)| keeper.kill_every(every, book.clone()));
    let phases = stages::play(orders, options.output.quiet, killer, &mut watch).await?;
    let about = About {
        name: course.name.clone(),
        mode: course.modes(),
        is_retrieved: course.is_retrieved(),
    };
    Ok(report(about, &plan, &names, &book, phases, watch.usage()))
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

/// What a report says of a run besides figures.
struct About {
    name: String,
    mode: String,
    is_retrieved: bool,
}

fn report(
    about: About,
    plan: &Plan,
    names: &Names,
    book: &Book,
    phases: Vec<Phase>,
    server: Option<Usage>,
) -> Report {
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
    let most = |count: fn(&crate::plan::Part) -> usize| {
        plan.parts.iter().map(count).max().unwrap_or_default()
    };
    let sizes: BTreeSet<String> = plan
        .parts
        .iter()
        .map(|part| part.sizes.to_string())
        .collect();
    Report {
        scenario: about.name,
        seed: plan.seed,
        senders: most(|part| part.senders),
        receivers: most(|part| part.receivers),
        messages: ledger.sent,
        size: sizes.into_iter().collect::<Vec<_>>().join("; "),
        mode: about.mode,
        is_retrieved: about.is_retrieved,
        phases,
        server,
        faults: faults.into_iter().map(line).collect(),
        ledger,
        refusals: pages.refusals.clone().into_iter().collect(),
        ..Report::default()
    }
}

fn write(path: &Path, document: &impl serde::Serialize) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = serde_json::to_string_pretty(document).map_err(|error| wrong(&error))?;
    fs::write(path, text).map_err(|error| wrong(&error))
}
