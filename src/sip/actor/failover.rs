//! Requests to named servers: which one they go to, and to which one next if it fails
//! (RFC 3263 §4.3).
use super::{
    ClientEventKind, Endpoint,
    locator::Locator,
    orders::Sink,
    outbound::{Kind, Outbound},
};
use crate::{
    clock,
    sip::{
        codec::Message,
        locate::{Named, prefer_streams},
        transaction::{Peer, RequestId},
    },
};
use actix::prelude::*;
use hashbrown::HashMap;
use std::{collections::VecDeque, rc::Rc, time::Duration};

/// Requests whose server has others beside it.
///
/// Every attempt is a transaction of its own, under an id of its own; who asked knows the request
/// by that of the first one.
#[derive(Default)]
pub(super) struct Failover {
    attempts: HashMap<RequestId, Attempt>,
    /// What the user knows an attempt by.
    names: HashMap<RequestId, RequestId>,
    /// The attempt that is under way, by what the user knows it by.
    current: HashMap<RequestId, RequestId>,
    due: VecDeque<(Outbound, Peer)>,
}

struct Attempt {
    outbound: Outbound,
    server: Peer,
    others: VecDeque<Peer>,
}

impl Failover {
    fn begin(&mut self, id: RequestId, attempt: Attempt) {
        self.attempts.insert(id, attempt);
    }

    /// What the user knows the attempt `id` by.
    pub fn name_of(&self, id: RequestId) -> RequestId {
        self.names.get(&id).copied().unwrap_or(id)
    }

    /// The attempt under way of what the user knows by `name`.
    pub fn current(&self, name: RequestId) -> RequestId {
        self.current.get(&name).copied().unwrap_or(name)
    }

    /// The server of the attempt `id`, while others could take its place.
    fn server(&self, id: RequestId) -> Option<Peer> {
        self.attempts.get(&id).map(|attempt| attempt.server)
    }

    /// Whatever comes of the attempt `id` is what the user is told.
    pub fn settle(&mut self, id: RequestId) {
        self.attempts.remove(&id);
    }

    /// Nothing more will be told about the attempt `id`.
    pub fn forget(&mut self, id: RequestId) {
        self.attempts.remove(&id);
        if let Some(name) = self.names.remove(&id)
            && self.current.get(&name) == Some(&id)
        {
            self.current.remove(&name);
        }
    }

    /// Lets the next server take the place of `id`, as attempt `next`. False if there is none.
    fn move_on(&mut self, id: RequestId, next: RequestId) -> bool {
        let Some(mut attempt) = self.attempts.remove(&id) else {
            return false;
        };
        let Some(server) = attempt.others.pop_front() else {
            return false;
        };
        let name = self.name_of(id);
        self.names.remove(&id);
        self.names.insert(next, name);
        self.current.insert(name, next);
        attempt.server = server;
        attempt.outbound.kind = Kind::Request(next);
        self.due.push_back((attempt.outbound.clone(), server));
        self.attempts.insert(next, attempt);
        true
    }
}

impl Endpoint {
    pub(super) fn look_up(&mut self, outbound: Outbound, named: Named, ctx: &mut Context<Self>) {
        if self.lookups >= self.shared.config.max_pending {
            self.metrics.refused("pending_full");
            return self.fail(outbound);
        }
        self.lookups += 1;
        let limit = self.shared.config.dns.limit();
        let locator = self.locator();
        let search = async move {
            let found = tokio::time::timeout(limit, locator.locate(&named)).await;
            found.unwrap_or_default()
        };
        let done = search.into_actor(self).map(move |servers, this, ctx| {
            this.lookups -= 1;
            this.located(outbound, servers, ctx);
            this.perform_effects(ctx);
        });
        ctx.spawn(done);
    }

    /// Made when the first name is met: most endpoints never meet any.
    fn locator(&mut self) -> Rc<Locator> {
        let own = self.shared.local_addr().ip();
        let dns = &self.shared.config.dns;
        let locator = self
            .locator
            .get_or_insert_with(|| Locator::new(dns, own).into());
        locator.clone()
    }

    fn located(&mut self, outbound: Outbound, mut servers: Vec<Peer>, ctx: &mut Context<Self>) {
        if self.is_too_long(&outbound) {
            prefer_streams(&mut servers);
        }
        self.resting.order(&mut servers, clock::now());
        let mut others = VecDeque::from(servers);
        let Some(server) = others.pop_front() else {
            return self.fail(outbound);
        };
        if let (Kind::Request(id), false) = (outbound.kind, others.is_empty()) {
            let attempt = Attempt {
                outbound: outbound.clone(),
                server,
                others,
            };
            self.failover.begin(id, attempt);
        }
        self.dispatch(outbound, server, ctx);
    }

    /// Whether the next server takes the place of one that failed with `event`.
    pub(super) fn fails_over(&mut self, id: RequestId, event: &ClientEventKind) -> bool {
        let Some(server) = self.failover.server(id) else {
            return false;
        };
        let pause = self.shared.config.dns.rest;
        let pause = match event {
            ClientEventKind::Response { message, .. } => match message.code() {
                Some(503) => retry_after(message).unwrap_or(pause),
                Some(100) => return false,
                _ => {
                    self.failover.settle(id);
                    return false;
                }
            },
            ClientEventKind::TimedOut | ClientEventKind::TransportFailed => pause,
        };
        self.resting.rest(server, pause, clock::now());
        self.try_next(id)
    }

    fn try_next(&mut self, id: RequestId) -> bool {
        let is_wanted = match self.sinks.get(&id) {
            // who asked may have gone
            Some(Sink::Once(answer)) => !answer.is_closed(),
            Some(_) => true,
            None => false,
        };
        let next = self.shared.next_request();
        if !is_wanted || !self.failover.move_on(id, next) {
            self.failover.settle(id);
            return false;
        }
        if let Some(sink) = self.sinks.remove(&id) {
            self.sinks.insert(next, sink);
        }
        self.metrics.failovers.increment(1);
        true
    }

    /// Sends what goes to the next server. True if anything did.
    pub(super) fn send_failed_over(&mut self, ctx: &mut Context<Self>) -> bool {
        let mut is_any = false;
        while let Some((outbound, server)) = self.failover.due.pop_front() {
            is_any = true;
            self.dispatch(outbound, server, ctx);
        }
        is_any
    }
}

/// How long the server wants to be left alone (RFC 3261 §21.5.4).
fn retry_after(response: &Message) -> Option<Duration> {
    const LONGEST: u32 = 3_600;
    let seconds = response.retry_after()?.min(LONGEST);
    Some(Duration::from_secs(seconds.into()))
}
