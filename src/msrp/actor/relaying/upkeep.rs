//! How relaying begins and ends on a connection, and who waits for it to take more.
use super::{Relaying, TIMED_OUT};
use crate::{
    msrp::actor::{CloseReason, hop::Resume, link::Link, transaction::Whose},
    net::Pressure,
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Instant,
};
use tokio::sync::Notify;

/// Answers that a peer may owe beyond `max_in_flight` to those who owe as many themselves: more
/// than the buffers on the way hold.
const MORE_OWED: usize = 65_536;

/// Connections that are not read, because this one is full.
#[derive(Default)]
pub(in crate::msrp::actor) struct Feeders {
    waiting: RefCell<VecDeque<Weak<Link>>>,
    is_releasing: Cell<bool>,
    relief: Notify,
}

impl Link {
    /// Returns what is kept here for the relay.
    pub(in crate::msrp::actor) fn relaying(&self) -> &Relaying {
        self.relaying.get_or_init(Box::default)
    }

    /// Tells whether nothing more of `from` may be relayed to this connection for now: its queue
    /// is over its high mark, or the peer owes too many answers. Who owes too many himself is not
    /// stopped for that, as his answers stand behind what he sends: two who flood each other would
    /// wait for each other.
    pub(in crate::msrp::actor) fn is_full(&self, from: &Self) -> bool {
        let (owed, most) = (self.owes(), self.board.config.max_in_flight);
        let waits = owed > most && (from.owes() <= most || owed > most + MORE_OWED);
        waits || self.pressure() == Pressure::High
    }

    /// Goes on reading `from` when this connection takes more again: one after the other, so
    /// that all of them together do not fill it anew.
    pub(in crate::msrp::actor) fn feed(self: &Rc<Self>, from: &Rc<Self>) {
        let feeders = &self.feeders;
        feeders.waiting.borrow_mut().push_back(Rc::downgrade(from));
        if !feeders.is_releasing.replace(true) {
            actix_rt::spawn(release(self.clone()));
        }
    }

    /// Lets the connection's actor take up what it held back.
    pub(in crate::msrp::actor) fn resume(&self) {
        if let Some(actor) = self.actor() {
            // one message for each time it was stopped: the mailbox cannot fill
            actor.do_send(Resume);
        }
    }

    /// The peer answered, or time passed: perhaps those who wait may go on.
    pub(in crate::msrp::actor) fn check_relief(&self) {
        if self.feeders.is_releasing.get() && self.owes() <= self.board.config.max_in_flight / 2 {
            self.feeders.relief.notify_one();
        }
    }

    /// Notes that a flow begins or ends here: the connection stays without a session.
    pub(in crate::msrp::actor) fn keep(&self) {
        self.keep_alone(true);
    }

    pub(in crate::msrp::actor) fn tick_relaying(self: &Rc<Self>, now: Instant) {
        if self.feeders.is_releasing.get() {
            self.feeders.relief.notify_one();
        }
        let Some(relaying) = self.relaying.get() else {
            return self.tick_kept(now);
        };
        if relaying.tick(now) && !relaying.has_lease() && !relaying.is_used() {
            self.keep_alone(false);
        }
        self.tick_kept(now);
    }

    /// The connection is gone with all octets after `written`: whoever waits for an answer
    /// hears that none will come.
    pub(in crate::msrp::actor) fn lose_relayed(&self, written: u64) {
        let lost = self.in_flight.borrow_mut().handle_lost(written);
        for whose in lost {
            if let Whose::Relayed(relayed) = whose {
                relayed.fail(TIMED_OUT);
            }
        }
        if let Some(relaying) = self.relaying.get() {
            relaying.end();
        }
        self.feeders.relief.notify_one();
    }

    /// Closes a connection that relayed nothing for too long (RFC 4976 §6.5).
    fn tick_kept(self: &Rc<Self>, now: Instant) {
        let Some(desk) = self.board.exchange.desk() else {
            return;
        };
        let has_lease = self
            .relaying
            .get()
            .is_some_and(|relaying| relaying.has_lease());
        if self.is_used.take() {
            self.used.set(now);
        } else if self.kept.get()
            && !has_lease
            && now.saturating_duration_since(self.used.get()) > desk.config.idle_timeout
        {
            match self.has_sessions() {
                true => self.keep_alone(false),
                false => self.fail(CloseReason::Local),
            }
        }
    }

    /// Counts what one read brought the relay.
    pub(in crate::msrp::actor) fn note_passed(&self, chunks: u64, octets: u64) {
        self.board.tally.passed(chunks, octets);
        self.is_used.set(true);
    }

    /// Tells whether TLS protects the connection.
    pub(super) fn is_secure(&self) -> bool {
        self.outlet.is_secure()
    }

    /// Returns the hosts that the peer proved to be by a certificate whose issuer we trust, as far
    /// as the operator takes them for relays.
    pub(super) fn trusted_hosts(&self) -> Vec<String> {
        let relays = &self.board.config.tls.relays;
        if relays.is_empty() {
            return Vec::new();
        }
        let is_relay = |host: &String| relays.iter().any(|relay| relay.eq_ignore_ascii_case(host));
        let peer = self.outlet.peer().filter(|peer| peer.trusted);
        let hosts = peer.map_or_else(Vec::new, |peer| peer.hosts);
        hosts.into_iter().filter(is_relay).collect()
    }

    fn owes(&self) -> usize {
        self.in_flight.borrow().in_flight()
    }
}

impl Feeders {
    /// Takes out the first of those who wait that may go on by `may`.
    fn next(&self, may: impl Fn(&Rc<Link>) -> bool) -> Option<Rc<Link>> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|feeder| feeder.strong_count() > 0);
        let mut feeders = waiting.iter();
        let at = feeders.position(|feeder| feeder.upgrade().is_some_and(|feeder| may(&feeder)))?;
        waiting.remove(at)?.upgrade()
    }

    fn count(&self) -> usize {
        self.waiting.borrow().len()
    }
}

async fn release(link: Rc<Link>) {
    let feeders = &link.feeders;
    while feeders.count() > 0 {
        if !link.is_down() {
            link.outlet().when_low().await;
        }
        let next = feeders.next(|feeder| link.is_down() || !link.is_full(feeder));
        match next {
            Some(feeder) => {
                feeder.resume();
                tokio::task::yield_now().await;
            }
            None if feeders.count() == 0 => {}
            None => feeders.relief.notified().await,
        }
    }
    feeders.is_releasing.set(false);
}
