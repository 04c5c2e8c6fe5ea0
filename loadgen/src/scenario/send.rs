//! Senders send, each waiting for the answer before its next message or by schedule; who is there
//! receives meanwhile.
use super::{churn, is_there};
use crate::{
    crew::Crew,
    octets,
    pace::{Turns, drive},
    plan::{Plan, Planned},
};
use restante::clock;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Pause before a message is sent again; doubled every time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How often is looked whether all who are there have everything.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn play(crew: &Crew) {
    crew.book().expect_news(clock::now());
    let is_over = Cell::new(false);
    let sending = async {
        let part = crew.part();
        let turns = Turns {
            users: part.turns() as u64,
            requests: part.messages,
            thread: crew.thread() as u64,
            threads: crew.threads() as u64,
        };
        let first = Plan::first(crew.stage_index());
        let request = |number: u64, due: Instant| {
            let crew = crew.clone();
            async move {
                let message = crew.plan().message(first + number);
                send(&crew, &message, due).await;
            }
        };
        let driven = drive(&crew.pace(), turns, || crew.is_over(), request).await;
        crew.book().waited(driven.waited);
        settle(crew).await;
        is_over.set(true);
    };
    futures_util::future::join(sending, churn::play(crew, &is_over)).await;
}

/// Sends `message` until it is acknowledged, refused for good, or the retries are used up.
async fn send(crew: &Crew, message: &Planned, due: Instant) {
    let content = crew.plan().content(message);
    let digest = octets::digest(&content);
    let mut pause = FIRST_PAUSE;
    for attempt in 0_u32.. {
        crew.book().sent(message, digest, due);
        let begun = clock::now();
        let failure = match crew.send(message, content.clone()).await {
            Ok(how) => {
                let now = clock::now();
                return crew.book().acknowledged(message, how, (due, begun), now);
            }
            Err(failure) => failure,
        };
        let now = clock::now();
        let (kind, why) = (failure.kind(), &failure.reason);
        crew.book()
            .refused(Some(message), kind, why, (due, begun), now);
        let is_enough = match crew.retries() {
            Some(retries) => attempt >= retries,
            None => crew.book().silence(now) >= crew.patience(),
        };
        if failure.is_final || is_enough || crew.is_over() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Waits until those who are there have everything that was acknowledged for them, or patience
/// ends.
async fn settle(crew: &Crew) {
    let (scenario, part) = (crew.stage().scenario, crew.part());
    let mut here: Vec<usize> = crew
        .users()
        .filter(|user| is_there(scenario, part, *user))
        .collect();
    loop {
        here.retain(|user| crew.book().outstanding_of(*user) > 0);
        let is_enough = crew.book().silence(clock::now()) >= crew.patience();
        if here.is_empty() || is_enough || crew.is_over() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
