//! How a server ends: nothing new is taken, what is under way may end, then all is stopped,
//! top-down.
use super::{Node, ports::SWITCHBOARD, signals::Signals};
use crate::{
    clock, http::State, msrp::actor::Switchboard, sip::actor::EndpointHandle, store::Drain,
};
use futures_util::future::join_all;
use std::{
    fmt,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// How often is looked whether all is done.
const LOOK: Duration = Duration::from_millis(50);
/// How often the log and the service manager are told of the progress.
const TELL: Duration = Duration::from_secs(1);
/// How long whoever is cut off has to hear of it.
const PARTING: Duration = Duration::from_secs(1);
/// How long the service manager is asked to wait beyond `server.grace`, for the store.
const MARGIN: Duration = Duration::from_secs(60);

/// What is still under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Underway {
    sessions: usize,
    dialogs: usize,
    tasks: usize,
}

impl Underway {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sessions,
            dialogs,
            tasks,
        } = self;
        write!(f, "{sessions} sessions, {dialogs} dialogs, {tasks} tasks")
    }
}

impl Node {
    /// Takes nothing new, lets what is under way end within `server.grace`, then stops all,
    /// top-down. Whoever says so a second time does not wait.
    pub(super) async fn drain(self, signals: &mut Signals) {
        let begun = clock::now();
        self.readiness.set(State::Draining);
        tracing::info!(underway = %self.underway(), grace = ?self.config.server.grace, "draining");
        for endpoint in &self.endpoints {
            endpoint.drain();
        }
        self.shutdown.begin();
        let left = tokio::select! {
            left = self.wait_until_done(begun + self.config.server.grace) => left,
            () = signals.end() => {
                tracing::warn!("told to end a second time: not waiting any longer");
                self.underway()
            }
        };
        match left.is_nothing() {
            true => tracing::info!("all that was under way has ended"),
            false => {
                tracing::warn!(underway = %left, "what is left is broken off");
                self.shutdown.break_off();
                self.wait_until_done(clock::now() + PARTING).await;
            }
        }
        self.part_with_relayed().await;
        self.stop().await;
        tracing::info!(took = ?begun.elapsed(), "stopped");
    }

    /// Waits until nothing is under way any more, or until `end`; what is left then.
    async fn wait_until_done(&self, end: Instant) -> Underway {
        let mut told = clock::now();
        self.tell_progress(end);
        loop {
            let (now, underway) = (clock::now(), self.underway());
            if underway.is_nothing() || now >= end {
                return underway;
            }
            if now >= told + TELL {
                told = now;
                tracing::info!(%underway, left = ?(end - now), "draining");
                self.tell_progress(end);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Lets what the MSRP relay has taken reach the next hop, and takes nothing more.
    async fn part_with_relayed(&self) {
        let end = clock::now() + PARTING;
        self.ask_boards(Switchboard::part).await;
        // a shard that is gone owes nothing
        while self
            .ask_boards(Switchboard::is_quiet)
            .await
            .contains(&Some(false))
        {
            if clock::now() > end {
                return tracing::warn!("relayed messages without an answer are cut off");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the switchboard of each shard.
    async fn ask_boards<R: Send + 'static>(&self, ask: fn(&Switchboard) -> R) -> Vec<Option<R>> {
        let shards = (0..self.shards.len()).map(|shard| {
            self.shards.run_on(shard, move || async move {
                SWITCHBOARD.with_borrow(|board| board.as_deref().map(ask))
            })
        });
        let answers = join_all(shards).await.into_iter();
        answers.map(Option::flatten).collect()
    }

    fn tell_progress(&self, end: Instant) {
        let status = format!("draining: {}", self.underway());
        let left = end.saturating_duration_since(clock::now());
        self.supervisor.stopping(&status, left + MARGIN);
    }

    fn underway(&self) -> Underway {
        Underway {
            sessions: self.sessions.load(Ordering::Relaxed),
            dialogs: self.endpoints.iter().map(EndpointHandle::dialogs).sum(),
            tasks: self.shutdown.tasks(),
        }
    }

    async fn stop(self) {
        for endpoint in &self.endpoints {
            endpoint.stop();
        }
        for shard in 0..self.shards.len() {
            let stopped = self.shards.run_on(shard, || async {
                if let Some(board) = SWITCHBOARD.take() {
                    board.stop();
                }
            });
            stopped.await;
        }
        self.http.stop().await;
        if let Err(error) = self.store.send(Drain).await {
            tracing::error!(%error, "the store could not be told to end");
        }
        for shard in 0..self.shards.len() {
            self.shards.arbiter(shard).stop();
        }
    }
}
