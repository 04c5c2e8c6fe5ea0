//! One thread's clients: every user of the run belongs to one thread.
use crate::{
    book::Book,
    device::{Device, Failure, Host},
    ledger::Acknowledged,
    plan::{Plan, Planned},
    users::Names,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use restante::clock;
use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

/// What every thread of a run is told.
#[derive(Clone)]
pub struct Orders {
    /// The load.
    pub plan: Plan,
    /// How its users are called.
    pub names: Names,
    /// Where everything is written down.
    pub book: Book,
    /// How the devices reach the server, and how they send.
    pub host: crate::device::Settings,
    /// Threads there are.
    pub threads: usize,
    /// Clients of one thread at work at the same time.
    pub window: usize,
    /// Times a message is sent again.
    pub retries: u32,
    /// How long nothing may happen before what is outstanding counts as lost.
    pub patience: Duration,
}

/// The clients of one thread.
pub struct Crew {
    orders: Orders,
    thread: usize,
    host: Host,
    devices: RefCell<HashMap<usize, Rc<Device>>>,
}

impl Crew {
    /// The clients of thread number `thread`, on the calling arbiter.
    ///
    /// Errors: a sentence for the user if no socket can be opened.
    pub async fn gather(orders: Orders, thread: usize) -> Result<Self, String> {
        let host = Host::start(&orders.host).await?;
        Ok(Self {
            orders,
            thread,
            host,
            devices: RefCell::default(),
        })
    }

    pub fn plan(&self) -> &Plan {
        &self.orders.plan
    }

    pub fn book(&self) -> &Book {
        &self.orders.book
    }

    pub fn window(&self) -> usize {
        self.orders.window
    }

    pub fn retries(&self) -> u32 {
        self.orders.retries
    }

    pub fn patience(&self) -> Duration {
        self.orders.patience
    }

    /// The senders who belong to this thread.
    pub fn senders(&self) -> impl Iterator<Item = usize> + use<> {
        (self.thread..self.orders.plan.senders).step_by(self.orders.threads)
    }

    /// The receivers who belong to this thread.
    pub fn receivers(&self) -> impl Iterator<Item = usize> + use<> {
        let plan = &self.orders.plan;
        (plan.senders + self.thread..plan.users()).step_by(self.orders.threads)
    }

    /// Logs `user` in; says whether it did.
    pub async fn log_in(&self, user: usize) -> bool {
        let begun = clock::now();
        let logged_in = match self.device(user) {
            Ok(device) => {
                device.listen(begun, self.orders.book.clone());
                device.log_in().await
            }
            Err(failure) => Err(failure),
        };
        match logged_in {
            Ok(()) => {
                let now = clock::now();
                self.orders.book.logged_in(now - begun, now);
                true
            }
            Err(failure) => {
                let why = format!("login: {}", failure.reason);
                self.orders.book.refused(None, &why);
                false
            }
        }
    }

    /// Logs `user` out and forgets its device.
    pub async fn log_out(&self, user: usize) {
        let device = self.devices.borrow_mut().remove(&user);
        if let Some(device) = device {
            device.log_out().await;
        }
    }

    /// Logs everybody out who is still there.
    pub async fn leave(&self) {
        let users: Vec<usize> = self.devices.borrow().keys().copied().collect();
        stream::iter(users)
            .for_each_concurrent(self.window(), |user| self.log_out(user))
            .await;
    }

    /// Sends `message` once.
    ///
    /// Errors: what became of it instead.
    pub async fn send(&self, message: &Planned, content: Bytes) -> Result<Acknowledged, Failure> {
        let to = self.orders.names.address(message.receiver);
        let id = self.orders.plan.message_id(message.number);
        self.device(message.sender)?.send(&to, &id, content).await
    }

    fn device(&self, user: usize) -> Result<Rc<Device>, Failure> {
        let mut devices = self.devices.borrow_mut();
        if let Some(device) = devices.get(&user) {
            return Ok(device.clone());
        }
        let device = Rc::new(self.host.device(user, &self.orders.names)?);
        devices.insert(user, device.clone());
        Ok(device)
    }
}
