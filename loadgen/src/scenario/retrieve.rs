//! Receivers log in, the server hands over what waits, and they log out.
use crate::{
    crew::Crew,
    octets::Numbers,
    pace::{Turns, drive},
};
use futures_util::{StreamExt, stream};
use restante::clock;
use std::time::{Duration, Instant};

/// How often a receiver looks whether it has everything.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Pause before the next attempt to log in.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a receiver stays when it has everything: what comes now came twice, or was stored
/// though its sender never heard of it.
const LINGER: Duration = Duration::from_millis(500);

/// Within this time after the server broke those who were logged in log in anew.
const ANEW_WITHIN: u64 = 2000;

pub(super) async fn play(crew: &Crew) {
    crew.book().expect_news(clock::now());
    let receivers: Vec<usize> = crew.receivers().collect();
    match crew.pace().rate {
        Some(_) => by_schedule(crew, receivers).await,
        None => side_by_side(crew, receivers).await,
    }
}

/// So many receivers at a time as the window says, the first of them one after the other as the
/// ramp says.
async fn side_by_side(crew: &Crew, receivers: Vec<usize>) {
    let pace = crew.pace();
    let window = pace.window.min(receivers.len());
    stream::iter(receivers.into_iter().enumerate())
        .for_each_concurrent(window, |(index, receiver)| async move {
            if index < window {
                tokio::time::sleep(pace.joins(index, window)).await;
            }
            visit(crew, receiver, clock::now()).await;
        })
        .await;
}

/// Receivers come when they are due.
async fn by_schedule(crew: &Crew, receivers: Vec<usize>) {
    let turns = Turns::alone(receivers.len() as u64);
    let request = |number: u64, due: Instant| {
        let (crew, receiver) = (crew.clone(), receivers[number as usize]);
        async move { visit(&crew, receiver, due).await }
    };
    let pace = crew.pace().shared(crew.threads());
    let driven = drive(&pace, turns, || crew.is_over(), request).await;
    crew.book().waited(driven.waited);
}

/// `receiver` comes, which was due at `due`, takes what waits, and goes.
async fn visit(crew: &Crew, receiver: usize, due: Instant) {
    if !crew.is_over() && log_in(crew, receiver, due).await {
        drain(crew, receiver).await;
        crew.log_out(receiver).await;
    }
}

/// Logs `receiver` in, however often that takes within reason.
async fn log_in(crew: &Crew, receiver: usize, due: Instant) -> bool {
    crew.book().present(receiver);
    for attempt in 0_u32.. {
        if crew.log_in_due(receiver, due).await {
            return true;
        }
        let is_enough = match crew.retries() {
            Some(retries) => attempt >= retries.max(1),
            None => crew.book().silence(clock::now()) >= crew.patience(),
        };
        if is_enough || crew.is_over() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    crew.book().absent(receiver);
    false
}

/// Waits until `receiver` has everything that was acknowledged for it, or patience ends.
async fn drain(crew: &Crew, receiver: usize) {
    let waits = || crew.book().outstanding_of(receiver) > 0;
    let is_patient = || crew.book().silence(clock::now()) < crew.patience();
    let mut breaks = crew.book().breaks();
    while waits() && is_patient() && !crew.is_over() {
        tokio::time::sleep(LOOK_EVERY).await;
        if crew.book().breaks() > breaks {
            breaks = crew.book().breaks();
            // not all at the same moment
            let pause = Numbers::new(breaks as u64, receiver as u64).below(ANEW_WITHIN);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let _ = crew.refresh(receiver).await;
        }
    }
    tokio::time::sleep(LINGER).await;
}
