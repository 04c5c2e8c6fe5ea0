//! Receivers log in, the server hands over what waits, and they log out.
use crate::crew::Crew;
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

pub(super) async fn play(crew: &Crew) {
    crew.book().expect_news(clock::now());
    stream::iter(crew.receivers())
        .for_each_concurrent(crew.window(), |receiver| async move {
            if log_in(crew, receiver).await {
                drain(crew, receiver).await;
                crew.log_out(receiver).await;
            }
        })
        .await;
}

/// Logs `receiver` in, however often that takes within reason.
async fn log_in(crew: &Crew, receiver: usize) -> bool {
    crew.book().pages().ledger.present(receiver);
    for _ in 0..=crew.retries() {
        if crew.log_in(receiver).await {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    crew.book().pages().ledger.absent(receiver);
    false
}

/// Waits until `receiver` has everything that was acknowledged for it, or patience ends.
async fn drain(crew: &Crew, receiver: usize) {
    let waits = || crew.book().pages().ledger.outstanding_of(receiver) > 0;
    while waits() && crew.book().silence(clock::now()) < crew.patience() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(LINGER).await;
}
