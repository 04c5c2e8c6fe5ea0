//! The users and groups of a run, made before it begins.
use crate::{
    args::Groups,
    course::Course,
    plan::Plan,
    progress::Progress,
    scenario::Scenario,
    users::{self, Names, Registry, Room, Rooms},
};
use restante::clock;

/// Makes all users and groups of the run.
///
/// Errors: a sentence for the user.
pub(super) fn make(
    course: &Course,
    plan: &Plan,
    names: &Names,
    rooms: &Rooms,
) -> Result<(), String> {
    let server = &course.options.server;
    let token = match &server.token {
        Some(token) => Ok(token.clone()),
        None => users::token_in(server.data.as_deref()),
    };
    let registry = Registry {
        server: server.http,
        token: token.map_err(|error| error.to_string())?,
    };
    let count = plan.users();
    let begun = clock::now();
    let progress = Progress::begin("users", count as u64, course.options.output.quiet, begun);
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
    registry
        .make_groups(&groups(course, plan, names, rooms))
        .map_err(|error| error.to_string())
}

/// The groups that an operator makes.
fn groups(course: &Course, plan: &Plan, names: &Names, rooms: &Rooms) -> Vec<Room> {
    let stages = course.stages.iter().enumerate();
    let configured = stages.filter(|(_, stage)| {
        stage.scenario == Scenario::Group && stage.load.groups == Groups::Configured
    });
    configured
        .flat_map(|(index, _)| {
            let part = &plan.parts[index];
            (0..part.groups()).map(move |group| Room {
                address: rooms.address(index, group),
                members: part
                    .members(group)
                    .map(|user| names.address(user))
                    .collect(),
            })
        })
        .collect()
}
