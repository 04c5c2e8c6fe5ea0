//! What the service manager is told, where one has started the process (`sd_notify`): readiness,
//! reloads, the end, and that the arbiters still answer.
use crate::{clock, net::Shards};
use actix_rt::task::JoinHandle;
use futures_util::future::join_all;
use sd_notify::NotifyState;
use std::time::Duration;

/// The way to the service manager; says nothing where there is none.
///
/// Source: sd_notify(3), systemd.service(5).
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    watchdog: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Requests are served now. From here on the watchdog is fed, if the service manager has one.
    pub(super) fn ready(&mut self, shards: &Shards, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        if let Some(limit) = sd_notify::watchdog_enabled() {
            let feed = || tell(&[NotifyState::Watchdog]);
            self.watchdog = Some(actix_rt::spawn(watch(shards.clone(), limit, feed)));
        }
    }

    /// Configuration is being read anew; `ready_again` follows.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the service manager hears of no reload"),
        }
    }

    /// What could be read anew has been.
    pub(super) fn ready_again(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// Nothing new is taken; the end comes in `left` at the latest. To be told again and again,
    /// so that the service manager waits as long as `server.grace` says.
    pub(super) fn stopping(&self, status: &str, left: Duration) {
        let micros = u32::try_from(left.as_micros()).unwrap_or(u32::MAX);
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status(status),
            NotifyState::ExtendTimeoutUsec(micros),
        ]);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.abort();
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told (NOTIFY_SOCKET)");
    }
}

/// Calls `feed` several times within `limit`, as long as every arbiter answers in time.
async fn watch(shards: Shards, limit: Duration, feed: impl Fn()) {
    let patience = limit / 3;
    loop {
        let asked = clock::now();
        let mute = mute(&shards, patience).await;
        match mute.is_empty() {
            true => feed(),
            false => tracing::error!(
                shards = ?mute,
                patience_ms = patience.as_millis(),
                "arbiters do not answer; the service manager will start the server anew"
            ),
        }
        tokio::time::sleep_until((asked + patience).into()).await;
    }
}

/// The shards that do not answer within `patience`.
async fn mute(shards: &Shards, patience: Duration) -> Vec<usize> {
    let ask = async |shard| {
        let answer = shards.run_on(shard, || async {});
        let answered = tokio::time::timeout(patience, answer).await;
        (!matches!(answered, Ok(Some(())))).then_some(shard)
    };
    let asked = join_all((0..shards.len()).map(ask)).await;
    asked.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, rc::Rc, thread};

    #[actix_rt::test]
    async fn watchdog_starves_while_an_arbiter_hangs_and_is_fed_again_afterwards() {
        let shards = Shards::start(2);
        let fed = Rc::new(Cell::new(0));
        let count = fed.clone();
        let limit = Duration::from_millis(90);
        let watching = watch(shards.clone(), limit, move || count.set(count.get() + 1));
        let watching = actix_rt::spawn(watching);
        let wait = async |least| {
            while fed.get() < least {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        wait(2).await;
        shards.spawn_on(1, || async { thread::sleep(Duration::from_secs(1)) });
        assert_eq!(mute(&shards, Duration::from_millis(100)).await, [1]);
        let hungry = fed.get();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(fed.get() <= hungry + 1, "fed while an arbiter hung");
        wait(hungry + 3).await;
        watching.abort();
    }
}
