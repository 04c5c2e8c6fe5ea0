//! Receivers who come and go while messages travel.
use crate::{args::Churn, crew::Crew, octets::Numbers};
use futures_util::{StreamExt, stream};
use std::{cell::Cell, time::Duration};

/// How long one stays, or is away, on the average.
const STAY: Duration = Duration::from_secs(5);

/// How soon one who comes and goes notices that it is over.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Lets receivers come and go until it `is_over`; then all of them are away again.
pub(super) async fn play(crew: &Crew, is_over: &Cell<bool>) {
    let part = crew.part();
    let receivers: Vec<usize> = crew.users().filter(|user| part.is_away(*user)).collect();
    match crew.stage().load.churn {
        None => {}
        Some(Churn::Share(share)) => {
            let count = (receivers.len() as f64 * share).ceil() as usize;
            let restless = receivers.into_iter().take(count);
            stream::iter(restless)
                .for_each_concurrent(None, |user| come_and_go(crew, user, is_over))
                .await;
        }
        Some(Churn::Rate(rate)) => {
            let pause = crew.threads() as f64 / rate.per_second();
            one_after_the_other(crew, receivers, Duration::from_secs_f64(pause), is_over).await;
        }
    }
}

async fn come_and_go(crew: &Crew, user: usize, is_over: &Cell<bool>) {
    let mut numbers = Numbers::new(crew.plan().seed, user as u64);
    while !is_over.get() {
        pause(some_time(&mut numbers), is_over).await;
        if !is_over.get() && crew.log_in(user).await {
            pause(some_time(&mut numbers), is_over).await;
            crew.log_out(user).await;
        }
    }
}

async fn one_after_the_other(
    crew: &Crew,
    receivers: Vec<usize>,
    every: Duration,
    is_over: &Cell<bool>,
) {
    let visit = |user: usize| async move {
        if crew.log_in(user).await {
            pause(STAY, is_over).await;
            crew.log_out(user).await;
        }
    };
    let mut visits = stream::FuturesUnordered::new();
    let mut next = receivers.iter().cycle();
    let mut ticks = tokio::time::interval(every);
    while !is_over.get() {
        tokio::select! {
            _ = ticks.tick() => match next.next() {
                // one who is still there does not come again
                Some(user) if !crew.is_here(*user) => visits.push(visit(*user)),
                Some(_) => {}
                None => return,
            },
            Some(()) = visits.next() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while visits.next().await.is_some() {}
}

/// Between nothing and twice the average.
fn some_time(numbers: &mut Numbers) -> Duration {
    let most = 2 * STAY.as_millis() as u64;
    Duration::from_millis(numbers.below(most))
}

/// Waits so long, or until it `is_over`.
async fn pause(time: Duration, is_over: &Cell<bool>) {
    let begun = tokio::time::Instant::now();
    while !is_over.get() && begun.elapsed() < time {
        let left = time.saturating_sub(begun.elapsed());
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}
