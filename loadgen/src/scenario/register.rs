//! Users log in, refresh their logins, and log out, each in turn.
use crate::{
    crew::Crew,
    pace::{Turns, drive},
};
use std::time::Instant;

/// What a user does in turn.
const STEPS: u64 = 3;

pub(super) async fn play(crew: &Crew) {
    let users = crew.part().users() as u64;
    let load = &crew.stage().load;
    let turns = Turns {
        users,
        requests: match load.duration {
            Some(_) => u64::MAX,
            None => load.messages,
        },
        thread: crew.thread() as u64,
        threads: crew.threads() as u64,
    };
    let request = |number: u64, due: Instant| {
        let crew = crew.clone();
        async move {
            let user = number % users;
            // not all do the same at the same time
            let step = (number / users + user) % STEPS;
            act(&crew, user as usize, step, due).await;
        }
    };
    let driven = drive(&crew.pace(), turns, || crew.is_over(), request).await;
    crew.book().waited(driven.waited);
}

async fn act(crew: &Crew, user: usize, step: u64, due: Instant) {
    let _ = match step {
        _ if !crew.is_here(user) => crew.log_in_due(user, due).await,
        2 => crew.log_out_due(user, due).await,
        _ => crew.refresh_due(user, due).await,
    };
}
