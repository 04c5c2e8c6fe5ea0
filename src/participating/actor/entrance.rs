use super::{Services, serving::serve, shutdown::Task, subscriptions::Subscriptions};
use crate::{
    clock,
    overload::{Class, Line, Reason, Turn},
    sip::{actor::Incoming, codec::Name},
    sip_core::Reply,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::sync::Notify;
use tracing::Instrument;

/// Flows begun in one round. What is begun goes on before more is: so the shard is never further
/// behind than a few rounds, whatever waits outside.
const STARTS: usize = 8;
/// Rounds that may be under way. A round is over when its messenger is back from the store, who
/// stands in line with the answers that flows wait for: an arbiter serves what its own tasks wake
/// before what other threads do, so that those who wait for the store would starve beside a line
/// that begins more and more.
const ROUNDS: usize = 8;
/// How soon a store that is busy is looked at again.
const AGAIN: Duration = Duration::from_millis(1);
/// How often the shares are looked at while nobody comes but something is still refused.
const LOOK: Duration = Duration::from_millis(50);

/// Where the requests of one shard wait for their turn while there are too many of them.
#[derive(Clone)]
pub(super) struct Entrance(Rc<State>);

struct State {
    services: Rc<Services>,
    subscriptions: Subscriptions,
    line: RefCell<Line<(Incoming, Task)>>,
    told: Cell<[f64; 2]>,
    wake: Notify,
    /// Flows begun in the round that begins.
    begun: Cell<usize>,
    /// Rounds under way.
    rounds: Cell<usize>,
    /// Told when one is over.
    over: Notify,
}

impl Entrance {
    /// Opens the entrance of the calling arbiter's shard.
    pub fn open(services: Rc<Services>, subscriptions: Subscriptions) -> Self {
        let config = services.valve.config();
        let line = Line::new(config.target_delay, config.max_waiting, clock::now());
        let entrance = Self(Rc::new(State {
            line: RefCell::new(line),
            services,
            subscriptions,
            told: Cell::new([1.0; 2]),
            wake: Notify::new(),
            begun: Cell::new(0),
            rounds: Cell::new(0),
            over: Notify::new(),
        }));
        actix_rt::spawn(run(entrance.0.clone()));
        entrance
    }

    /// Serves a request, now or when it is its turn. One that finds the line full is refused.
    pub fn take(&self, incoming: Incoming) {
        let state = &self.0;
        // what waits is under way, too
        let task = state.services.shutdown.task();
        if incoming.class == Class::Ongoing {
            return state.start(incoming, task);
        }
        let (class, arrived) = (incoming.class, incoming.arrived);
        let mut line = state.line.borrow_mut();
        match line.push(class, arrived, (incoming, task), clock::now()) {
            Ok(()) => state.wake.notify_one(),
            Err((incoming, _)) => state.refuse(&incoming),
        }
    }
}

impl State {
    fn start(&self, incoming: Incoming, task: Task) {
        let (services, subscriptions) = (self.services.clone(), self.subscriptions.clone());
        let span = services.span_of(&incoming);
        let served = async move {
            serve(services, subscriptions, incoming).await;
            drop(task);
        };
        actix_rt::spawn(served.instrument(span));
    }

    fn refuse(&self, incoming: &Incoming) {
        let valve = &self.services.valve;
        valve.metrics().refused(incoming.class, Reason::Delay);
        let wait = self.services.endpoint.retry_after().to_string();
        let reply = Reply::new(503).with(Name::RetryAfter, wait);
        self.services
            .refuse(incoming, &reply, "overload.max_waiting");
    }

    /// Whether requests wait here, where their wait is known, and not for the store's threads.
    fn is_store_busy(&self) -> bool {
        let config = self.services.valve.config();
        config.enabled && self.services.store.backlog() >= config.store_queue
    }

    /// Whether so many rounds are under way that no flow is begun.
    fn is_behind(&self) -> bool {
        self.rounds.get() >= ROUNDS
    }

    /// Begins the next flows, and tells the valve what the waits allow.
    fn turn(self: &Rc<Self>) {
        let now = clock::now();
        for _ in 0..STARTS {
            if self.is_store_busy() || self.is_behind() {
                break;
            }
            let turn = self.line.borrow_mut().pop(now);
            let Some(Turn {
                what,
                class,
                waited,
            }) = turn
            else {
                break;
            };
            self.services.valve.metrics().waited(class, waited);
            let (incoming, task) = what;
            self.start(incoming, task);
            self.count();
        }
        let mut line = self.line.borrow_mut();
        let shard = self.services.endpoint.shard();
        if line.tick(now) {
            self.services.valve.metrics().waiting(shard, line.len());
        }
        let shares = Class::REFUSABLE.map(|class| line.share(class));
        if self.told.replace(shares) != shares {
            self.services.valve.set_line(shard, shares);
        }
    }

    /// Counts a flow that was begun; sends a messenger behind the last one of a round.
    fn count(self: &Rc<Self>) {
        self.begun.set((self.begun.get() + 1) % STARTS);
        if self.begun.get() > 0 {
            return;
        }
        self.rounds.set(self.rounds.get() + 1);
        let state = self.clone();
        actix_rt::spawn(async move {
            let sent = clock::now();
            if state.services.store.pass().await.is_err() {
                // its queue is full, or it ends
                tokio::time::sleep(AGAIN).await;
            }
            let took = clock::now().saturating_duration_since(sent);
            state.services.valve.metrics().round.record(took);
            state.rounds.set(state.rounds.get() - 1);
            state.over.notify_one();
        });
    }
}

async fn run(state: Rc<State>) {
    loop {
        state.turn();
        let (is_empty, is_at_rest) = {
            let line = state.line.borrow();
            (line.is_empty(), line.is_at_rest())
        };
        match (is_empty, is_at_rest) {
            (false, _) if state.is_store_busy() => tokio::time::sleep(AGAIN).await,
            (false, _) if state.is_behind() => {
                drop(tokio::time::timeout(LOOK, state.over.notified()).await);
            }
            (false, _) => tokio::task::yield_now().await,
            (true, true) => state.wake.notified().await,
            // whoever wakes it is served at once; nobody may come, and things change all the same
            (true, false) => drop(tokio::time::timeout(LOOK, state.wake.notified()).await),
        }
    }
}
