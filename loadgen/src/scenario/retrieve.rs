//! Receivers log in, the server hands over what waits, and they log out.
use crate::{crew::Crew, octets::Numbers};
use futures_util::{StreamExt, stream};
use restante::clock;
use std::time::Duration;

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
    stream::iter(crew.receivers())
        .for_each_concurrent(crew.window(), |receiver| async move {
            if !crew.is_over() && log_in(crew, receiver).await {
                drain(crew, receiver).await;
                crew.log_out(receiver).await;
            }
        })
        .await;
}

/// Logs `receiver` in, however often that takes within reason.
async fn log_in(crew: &Crew, receiver: usize) -> bool {
    crew.book().present(receiver);
    for attempt in 0_u32.. {
        if crew.log_in(receiver).await {
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
