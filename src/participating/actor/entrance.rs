use super::{
    Services,
    rounds::{Rounds, STARTS},
    serving::serve,
    shutdown::Task,
    subscriptions::Subscriptions,
};
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
    rounds: Rounds,
}

impl Entrance {
    /// Opens the entrance of the calling arbiter's shard.
    pub fn open(services: Rc<Services>, subscriptions: Subscriptions) -> Self {
        let config = services.valve.config();
        let line = Line::new(config.target_delay, config.max_waiting, clock::now());
        let rounds = Rounds::new(services.store.clone(), services.valve.clone());
        let entrance = Self(Rc::new(State {
            rounds,
            line: RefCell::new(line),
            services,
            subscriptions,
            told: Cell::new([1.0; 2]),
            wake: Notify::new(),
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

    /// Begins the next flows, and tells the valve what the waits allow. What is begun goes on
    /// before more is: so the shard is never further behind than a few rounds, whatever waits
    /// outside.
    fn turn(&self) {
        let now = clock::now();
        for _ in 0..STARTS {
            if self.is_store_busy() || self.rounds.are_full() {
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
            self.rounds.count();
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
            (false, _) if state.rounds.are_full() => {
                drop(tokio::time::timeout(LOOK, state.rounds.one_is_over()).await);
            }
            (false, _) => tokio::task::yield_now().await,
            (true, true) => state.wake.notified().await,
            // whoever wakes it is served at once; nobody may come, and things change all the same
            (true, false) => drop(tokio::time::timeout(LOOK, state.wake.notified()).await),
        }
    }
}
