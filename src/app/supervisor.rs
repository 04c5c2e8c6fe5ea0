//! What the service manager is told, where one has started the process (`sd_notify`): readiness,
//! reloads, the end, and that the arbiters still answer.
use crate::net::Pulse;
use actix_rt::task::JoinHandle;
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
    pub(super) fn ready(&mut self, pulse: &Pulse, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        if let Some(limit) = sd_notify::watchdog_enabled() {
            let feed = || tell(&[NotifyState::Watchdog]);
            self.watchdog = Some(actix_rt::spawn(watch(pulse.clone(), limit, feed)));
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

/// Calls `feed` several times within `limit`, as long as no arbiter is later than that allows.
async fn watch(pulse: Pulse, limit: Duration, feed: impl Fn()) {
    let patience = limit / 3;
    loop {
        let mute = pulse.later_than(patience);
        match mute.is_empty() {
            true => feed(),
            false => tracing::error!(
                shards = ?mute,
                patience_ms = patience.as_millis(),
                "arbiters do not answer; the service manager will start the server anew"
            ),
        }
        tokio::time::sleep(patience).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Shards;
    use std::{cell::Cell, rc::Rc, thread};

    #[actix_rt::test]
    async fn watchdog_starves_while_an_arbiter_hangs_and_is_fed_again_afterwards() {
        let shards = Shards::start(2);
        let pulse = Pulse::start(&shards);
        let fed = Rc::new(Cell::new(0));
        let count = fed.clone();
        let limit = Duration::from_millis(90);
        let watching = watch(pulse.clone(), limit, move || count.set(count.get() + 1));
        let watching = actix_rt::spawn(watching);
        let wait = async |least| {
            while fed.get() < least {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        wait(2).await;
        shards.spawn_on(1, || async { thread::sleep(Duration::from_secs(1)) });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(pulse.later_than(Duration::from_millis(100)), [1]);
        let hungry = fed.get();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(fed.get() <= hungry + 1, "fed while an arbiter hung");
        wait(hungry + 3).await;
        watching.abort();
    }
}
