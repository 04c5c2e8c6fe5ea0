//! One thread's clients: every user of a stage belongs to one thread.
use crate::{
    book::Book,
    course::Stage,
    device::{Device, Failure, Host},
    ledger::Acknowledged,
    pace::Pace,
    plan::{Part, Plan, Planned},
    scenario::Scenario,
    series::Kind,
    users::{Names, Rooms},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use restante::clock;
use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a logout at the end may take: the server may be gone.
const LEAVING: Duration = Duration::from_secs(10);

/// How long a device that has logged out still takes what was on its way.
const LINGER: Duration = Duration::from_secs(2);

/// What every thread of a run is told.
#[derive(Clone)]
pub struct Orders {
    /// The load.
    pub plan: Plan,
    /// What is done, in this order.
    pub stages: Arc<[Stage]>,
    /// How its users are called.
    pub names: Names,
    /// How its groups are called.
    pub rooms: Rooms,
    /// Where everything is written down.
    pub book: Book,
    /// How the devices reach the server, one for each own address.
    pub hosts: Vec<crate::device::Settings>,
    /// Threads there are.
    pub threads: usize,
    /// Whether the server is killed now and then.
    pub is_killed: bool,
}

/// The clients of one thread in one stage; clones are the same.
#[derive(Clone)]
pub struct Crew(Rc<Inner>);

struct Inner {
    orders: Orders,
    stage: usize,
    thread: usize,
    hosts: Rc<[Host]>,
    devices: RefCell<HashMap<usize, Rc<Device>>>,
}

impl Crew {
    /// The clients of thread number `thread` in the first stage, on the calling arbiter.
    ///
    /// Errors: a sentence for the user if no socket can be opened.
    pub async fn gather(orders: Orders, thread: usize) -> Result<Self, String> {
        let mut hosts = Vec::new();
        for settings in &orders.hosts {
            hosts.push(Host::start(settings).await?);
        }
        Ok(Self(Rc::new(Inner {
            orders,
            stage: 0,
            thread,
            hosts: hosts.into(),
            devices: RefCell::default(),
        })))
    }

    /// The clients of the same thread in another stage.
    pub fn in_stage(&self, stage: usize) -> Self {
        let Inner { orders, hosts, .. } = &*self.0;
        Self(Rc::new(Inner {
            orders: orders.clone(),
            stage,
            thread: self.0.thread,
            hosts: hosts.clone(),
            devices: RefCell::default(),
        }))
    }

    pub fn plan(&self) -> &Plan {
        &self.0.orders.plan
    }

    pub fn part(&self) -> &Part {
        &self.0.orders.plan.parts[self.0.stage]
    }

    pub fn stage(&self) -> &Stage {
        &self.0.orders.stages[self.0.stage]
    }

    pub fn stage_index(&self) -> usize {
        self.0.stage
    }

    pub fn book(&self) -> &Book {
        &self.0.orders.book
    }

    pub fn names(&self) -> &Names {
        &self.0.orders.names
    }

    pub fn rooms(&self) -> &Rooms {
        &self.0.orders.rooms
    }

    pub fn thread(&self) -> usize {
        self.0.thread
    }

    pub fn threads(&self) -> usize {
        self.0.orders.threads
    }

    pub fn pace(&self) -> Pace {
        self.stage().load.pace(self.threads())
    }

    pub fn window(&self) -> usize {
        self.pace().window
    }

    /// How often a message is sent again; `None`: until patience ends.
    pub fn retries(&self) -> Option<u32> {
        self.stage().load.retries(self.0.orders.is_killed)
    }

    pub fn patience(&self) -> Duration {
        self.stage().load.patience
    }

    /// Whether nothing new is to be begun.
    pub fn is_over(&self) -> bool {
        self.book().is_over()
    }

    /// The users who belong to this thread.
    pub fn users(&self) -> impl Iterator<Item = usize> + '_ {
        let part = self.part();
        (0..part.users()).filter(|user| part.lane(*user) % self.threads() == self.0.thread)
    }

    /// The receivers who belong to this thread, were away, and may have something waiting.
    pub fn receivers(&self) -> impl Iterator<Item = usize> + '_ {
        let plan = self.plan();
        let parts = match self.stage().scenario {
            Scenario::Retrieve if self.0.stage > 0 => &plan.parts[..self.0.stage],
            Scenario::Retrieve => &plan.parts[..],
            _ => std::slice::from_ref(self.part()),
        };
        let waits = |user: usize| {
            parts.iter().any(|part| part.is_away(user)) || self.book().outstanding_of(user) > 0
        };
        let users = (self.0.thread..plan.users()).step_by(self.threads());
        users.filter(move |user| waits(*user))
    }

    /// Whether `user` has a device.
    pub fn is_here(&self, user: usize) -> bool {
        self.0.devices.borrow().contains_key(&user)
    }

    /// Logs `user` in; says whether it did.
    pub async fn log_in(&self, user: usize) -> bool {
        self.log_in_due(user, clock::now()).await
    }

    /// Logs `user` in, which was due at `due`.
    pub async fn log_in_due(&self, user: usize, due: Instant) -> bool {
        let begun = clock::now();
        let logged_in = match self.device(user) {
            Ok(device) => {
                device.listen(due, self.book().clone());
                self.in_time(device.log_in()).await
            }
            Err(failure) => Err(failure),
        };
        let is_here = self.registered(Kind::Login, logged_in, (due, begun));
        if !is_here {
            self.0.devices.borrow_mut().remove(&user);
        }
        is_here
    }

    /// Refreshes the login of `user`; says whether that was granted.
    pub async fn refresh(&self, user: usize) -> bool {
        self.refresh_due(user, clock::now()).await
    }

    /// Refreshes the login of `user`, which was due at `due`.
    pub async fn refresh_due(&self, user: usize, due: Instant) -> bool {
        let begun = clock::now();
        let refreshed = match self.device(user) {
            Ok(device) => self.in_time(device.log_in()).await,
            Err(failure) => Err(failure),
        };
        self.registered(Kind::Refresh, refreshed, (due, begun))
    }

    /// Logs `user` out and forgets its device.
    pub async fn log_out(&self, user: usize) -> bool {
        self.log_out_due(user, clock::now()).await
    }

    /// Logs `user` out, which was due at `due`.
    pub async fn log_out_due(&self, user: usize, due: Instant) -> bool {
        let begun = clock::now();
        let device = self.0.devices.borrow_mut().remove(&user);
        let Some(device) = device else {
            return true;
        };
        let out = self.in_time(device.log_out()).await;
        actix_rt::spawn(async move {
            tokio::time::sleep(LINGER).await;
            drop(device);
        });
        self.registered(Kind::Logout, out, (due, begun))
    }

    /// Logs everybody out who is still there; that is no part of the load.
    pub async fn leave(&self) {
        let devices = std::mem::take(&mut *self.0.devices.borrow_mut());
        stream::iter(devices.into_values())
            .for_each_concurrent(self.window(), |device| async move {
                let _ = tokio::time::timeout(LEAVING, device.log_out()).await;
            })
            .await;
    }

    /// Sends `message` once.
    ///
    /// Errors: what became of it instead.
    pub async fn send(&self, message: &Planned, content: Bytes) -> Result<Acknowledged, Failure> {
        let id = self.plan().message_id(message.number);
        let device = self.device(message.sender)?;
        if let Some(group) = message.group {
            let group = self.rooms().address(self.0.stage, group);
            let said = async {
                if !device.is_in_group().await {
                    device.join(&group).await?;
                }
                device.say(&group, &id, content).await
            };
            return self.in_time(said).await;
        }
        let (to, stage) = (self.names().address(message.receiver), self.stage());
        let mode = stage.load.mode(stage.scenario);
        self.in_time(device.send(&to, &id, content, mode)).await
    }

    /// Lets `user` come into a group of this stage; says whether it did.
    pub async fn join(&self, user: usize, group: usize) -> bool {
        let begun = clock::now();
        let group = self.rooms().address(self.0.stage, group);
        let joined = match self.device(user) {
            Ok(device) => self.in_time(device.join(&group)).await,
            Err(failure) => Err(failure),
        };
        self.registered(Kind::Join, joined, (begun, begun))
    }

    /// The device of `user`.
    ///
    /// Errors: if there can be none.
    pub fn device(&self, user: usize) -> Result<Rc<Device>, Failure> {
        let mut devices = self.0.devices.borrow_mut();
        if let Some(device) = devices.get(&user) {
            return Ok(device.clone());
        }
        let host = &self.0.hosts[user / self.threads() % self.0.hosts.len()];
        let device = Rc::new(host.device(user, self.names())?);
        devices.insert(user, device.clone());
        Ok(device)
    }

    /// Waits for an answer as long as one may take.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let limit = self.stage().load.timeout(self.0.orders.is_killed);
        let in_time = tokio::time::timeout(limit, answer).await;
        in_time.unwrap_or_else(|_| Err(Failure::late(limit)))
    }

    fn registered(
        &self,
        kind: Kind,
        answer: Result<(), Failure>,
        since: (Instant, Instant),
    ) -> bool {
        let now = clock::now();
        match answer {
            Ok(()) => {
                self.book().registered(kind, since, now);
                true
            }
            Err(failure) => {
                let why = format!("{}: {}", kind.name(), failure.reason);
                self.book().refused(None, failure.kind(), &why, since, now);
                false
            }
        }
    }
}
