//! The outbound half of one connection: what its sessions write leaves in one vectored write.
use super::{
    CloseReason,
    flow::Flow,
    hop::{HopActor, Leave},
    output::{OpenChunk, Out},
    relaying::{Feeders, Relaying, TIMED_OUT},
    seen::{Direction, Seen},
    session::State,
    switchboard::Switchboard,
    transaction::{Transaction, Whose},
};
use crate::{
    clock,
    msrp::{
        ByteRange, Continuation, FailureReport, Method, OutgoingHead, OutgoingId, encoding,
        hop::{Hop, TransactionId},
        metrics,
        session::Answer,
    },
    net::{Gate, Outlet},
};
use actix::Addr;
use bytes::{Bytes, BytesMut};
use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    time::Instant,
};

/// One connection, as its sessions see it.
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) peer: SocketAddr,
    pub(super) board: Rc<Switchboard>,
    pub(super) gate: Gate,
    pub(super) outlet: Outlet,
    pub(super) out: RefCell<Out>,
    pub(super) in_flight: RefCell<Hop<Whose>>,
    pub(super) flow: Flow,
    /// What is relayed from here and to here.
    pub(super) relaying: OnceCell<Box<Relaying>>,
    sessions: RefCell<HashMap<u64, Rc<State>>>,
    /// When the connection ends if no session is on it by then.
    alone_until: Cell<Option<Instant>>,
    down: Cell<bool>,
    /// A session has been here.
    bound: Cell<bool>,
    /// Ways to other shards whose sessions are on it.
    carried: Cell<u32>,
    /// Something is relayed: nobody closes it for want of a session.
    pub(super) kept: Cell<bool>,
    /// Who waits for it to take more.
    pub(super) feeders: Feeders,
    /// Something was relayed since the last look.
    pub(super) is_used: Cell<bool>,
    /// When something was relayed last, as far as the timer knows.
    pub(super) used: Cell<Instant>,
    /// Who made the connection closes it first.
    pub(super) ours: bool,
    /// It will not move to another shard.
    pub(super) stays: Cell<bool>,
    actor: OnceCell<Addr<HopActor>>,
    _open: metrics::Open,
}

impl Link {
    pub(super) fn new(
        board: Rc<Switchboard>,
        peer: SocketAddr,
        outlet: Outlet,
        gate: Gate,
        ours: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            number: board.next_number(),
            peer,
            outlet,
            gate,
            out: RefCell::default(),
            in_flight: RefCell::new(Hop::new(board.config.response_timeout)),
            sessions: RefCell::default(),
            alone_until: Cell::new(Some(clock::now() + board.config.bind_timeout)),
            flow: Flow::default(),
            down: Cell::new(false),
            bound: Cell::new(false),
            carried: Cell::new(0),
            kept: Cell::new(false),
            feeders: Feeders::default(),
            is_used: Cell::new(false),
            used: Cell::new(clock::now()),
            relaying: OnceCell::new(),
            ours,
            stays: Cell::new(false),
            actor: OnceCell::new(),
            _open: board.metrics.open_connection(),
            board,
        })
    }

    /// Puts a session on this connection.
    pub(super) fn attach(&self, session: Rc<State>) {
        self.alone_until.set(None);
        self.bound.set(true);
        self.sessions.borrow_mut().insert(session.number, session);
    }

    /// Takes a session off this connection.
    pub(super) fn detach(&self, session: u64) {
        self.sessions.borrow_mut().remove(&session);
        let is_his = |whose: &Whose| match whose {
            Whose::Session(transaction) => transaction.session == session,
            Whose::Naming(naming) => naming.session == session,
            Whose::Relayed(_) | Whose::Asked(_) => false,
        };
        let gone = self.in_flight.borrow_mut().handle_owner_gone(is_his);
        // may write here: what nobody answers now is answered as it goes
        drop(gone);
        self.check_alone();
    }

    /// Notes that another shard's sessions came to this connection, or left it.
    pub(super) fn carry(&self, more: bool) {
        let carried = self.carried.get();
        self.carried.set(match more {
            true => carried + 1,
            false => carried.saturating_sub(1),
        });
        match more {
            true => self.alone_until.set(None),
            false => self.check_alone(),
        }
    }

    /// Writes a whole request or response that was put together elsewhere.
    pub(super) fn pass(self: &Rc<Self>, parts: &mut Vec<Bytes>) {
        self.write(|_| {});
        let mut out = self.out.borrow_mut();
        for part in parts.drain(..) {
            out.append(part);
        }
    }

    /// Returns whose request of ours a response answers.
    pub(super) fn answered(&self, id: &[u8]) -> Option<Whose> {
        let id = TransactionId::parse(id)?;
        let whose = self.in_flight.borrow_mut().handle_response(id)?;
        self.check_relief();
        Some(whose)
    }

    /// Returns a session on this connection.
    pub(super) fn session(&self, number: u64) -> Option<Rc<State>> {
        self.sessions.borrow().get(&number).cloned()
    }

    /// Returns the sessions on this connection.
    pub(super) fn sessions_now(&self) -> Vec<Rc<State>> {
        self.sessions.borrow().values().cloned().collect()
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.get()
    }

    pub(super) fn has_sessions(&self) -> bool {
        !self.sessions.borrow().is_empty() || self.carried.get() > 0
    }

    /// Keeps the connection from now on whether it has sessions or not, or no longer.
    pub(super) fn keep_alone(&self, keep: bool) {
        self.kept.set(keep);
        match keep {
            true => {
                self.bound.set(true);
                self.alone_until.set(None);
            }
            false => self.check_alone(),
        }
    }

    pub(super) fn actor(&self) -> Option<&Addr<HopActor>> {
        self.actor.get()
    }

    /// Names the actor that owns the inbound half.
    pub(super) fn owned_by(&self, actor: Addr<HopActor>) {
        // set once, when the actor starts
        let _ = self.actor.set(actor);
    }

    pub(super) fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Writes a response.
    pub(super) fn answer(self: &Rc<Self>, answer: &Answer, from: &[u8]) {
        self.write(|out| {
            let (id, to) = (&answer.transaction_id, &answer.to_path);
            encoding::put_response(out, id, answer.code, to, from);
        });
    }

    /// Writes a REPORT with the given header lines.
    pub(super) fn report(self: &Rc<Self>, paths: (&[u8], &[u8]), fields: &[(&str, &[u8])]) {
        let id = self.board.next_transaction().to_octets();
        self.write(|out| {
            encoding::put_request(out, &id, Method::Report, paths.0, paths.1);
            for (name, value) in fields {
                encoding::put_field(out, name, value);
            }
            encoding::put_end(out, &id, false, Continuation::Complete);
        });
    }

    /// Tells whether the chunk `outgoing` of `session` has a SEND open on the wire.
    pub(super) fn is_open(&self, session: u64, outgoing: OutgoingId) -> bool {
        let open = self.out.borrow().open;
        open.is_some_and(|open| open.session == session && open.outgoing == outgoing)
    }

    /// Opens a SEND of a session. Whatever was open before is interrupted.
    pub(super) fn open_send(
        self: &Rc<Self>,
        transaction: Transaction,
        paths: (&[u8], &[u8]),
        head: &OutgoingHead,
        range: ByteRange,
        has_body: bool,
    ) {
        let open = (transaction.session, transaction.outgoing, has_body);
        let whose = Whose::Session(transaction);
        self.open_request(open, transaction.failure_report, whose, |out, id| {
            encoding::put_send(out, id, paths, head, Some(range), has_body);
        });
    }

    /// Opens a SEND whose start `put` writes. `open` names who writes to it from now on, and
    /// tells whether a body follows.
    pub(super) fn open_request(
        self: &Rc<Self>,
        open: (u64, OutgoingId, bool),
        failure_report: FailureReport,
        whose: Whose,
        put: impl FnOnce(&mut BytesMut, &[u8]),
    ) {
        let id = self.board.next_transaction();
        self.write(|out| put(out, &id.to_octets()));
        self.in_flight
            .borrow_mut()
            .handle_opened(id, failure_report, whose);
        self.board.metrics.chunks_out.increment(1);
        let (session, outgoing, has_body) = open;
        self.out.borrow_mut().open = Some(OpenChunk {
            session,
            outgoing,
            id,
            has_body,
        });
    }

    /// Writes a whole request of ours, whose response `whose` waits for.
    pub(super) fn send_request(
        self: &Rc<Self>,
        failure_report: FailureReport,
        whose: Whose,
        put: impl FnOnce(&mut BytesMut, &[u8]),
    ) {
        let id = self.board.next_transaction();
        self.write(|out| put(out, &id.to_octets()));
        if failure_report != FailureReport::No {
            let end = self.out.borrow().position;
            self.in_flight
                .borrow_mut()
                .handle_sent(id, failure_report, end, whose);
        }
    }

    /// Writes body octets of the open SEND.
    pub(super) fn body(self: &Rc<Self>, octets: Bytes) {
        self.board.metrics.octets_out.increment(octets.len() as u64);
        self.out.borrow_mut().append(octets);
        self.mark_dirty();
    }

    /// Ends the open SEND.
    pub(super) fn end_send(self: &Rc<Self>, flag: Continuation) {
        self.out.borrow_mut().end(flag, &self.in_flight);
        self.mark_dirty();
    }

    /// Shows a head that passes to the tap.
    pub(super) fn show(&self, direction: Direction, head: &[u8]) {
        self.board.show(&Seen {
            direction,
            peer: self.peer,
            connection: self.number,
            head,
        });
    }

    /// Runs the timers.
    pub(super) fn tick(self: &Rc<Self>, now: Instant) {
        let silent = match self.in_flight.borrow_mut() {
            in_flight if in_flight.in_flight() == 0 => Vec::new(),
            mut in_flight => in_flight.handle_tick(self.written(), now),
        };
        for whose in silent {
            self.board.metrics.timeouts.increment(1);
            match whose {
                Whose::Session(transaction) => {
                    if let Some(session) = self.session(transaction.session) {
                        session.take_status(transaction, TIMED_OUT);
                    }
                }
                Whose::Naming(naming) => naming.take_status(TIMED_OUT),
                Whose::Relayed(relayed) => relayed.fail(TIMED_OUT),
                Whose::Asked(_) => {}
            }
        }
        self.check_relief();
        self.tick_relaying(now);
        if self.outlet.closed() && !self.is_down() {
            self.fail(CloseReason::Stalled);
        }
        if self.alone_until.get().is_some_and(|until| until <= now) {
            self.fail(match self.bound.get() {
                true => CloseReason::Local,
                false => CloseReason::BindTimeout,
            });
        }
    }

    /// Ends the connection and all sessions on it.
    pub(super) fn fail(self: &Rc<Self>, reason: CloseReason) {
        if self.down.replace(true) {
            return;
        }
        let lost_at = self.written();
        tracing::debug!(peer = %self.peer, reason = reason.kind(), "MSRP connection closed");
        self.board.metrics.closed(reason.kind());
        match reason {
            CloseReason::BindTimeout
            | CloseReason::Local
            | CloseReason::Framing
            | CloseReason::Refused(_) => {
                self.flush_out();
                self.outlet.close();
            }
            _ => self.outlet.abort(),
        }
        self.release_reader();
        if let Some(actor) = self.actor.get() {
            // an actor that is gone already has nothing left to end
            actor.do_send(Leave);
        }
        let sessions: Vec<_> = self.sessions.borrow_mut().drain().collect();
        for (_, session) in sessions {
            session.lost(reason);
        }
        self.lose_relayed(lost_at);
        self.board.forget_link(self);
    }

    /// Leaves the connection to another shard.
    pub(super) fn retire(self: &Rc<Self>) {
        self.down.set(true);
        self.board.forget_link(self);
    }

    /// Tells whether everything written is with the operating system.
    pub(super) fn is_flushed(&self) -> bool {
        self.outlet.queued() == 0 && self.out.borrow().collected == 0
    }

    /// Appends a whole request or response, interrupting what is open.
    pub(super) fn write(self: &Rc<Self>, put: impl FnOnce(&mut BytesMut)) {
        {
            let mut out = self.out.borrow_mut();
            if out.open.is_some() {
                out.end(Continuation::MoreChunks, &self.in_flight);
            }
            let added = out.put(put);
            if !added.is_empty() {
                self.show(Direction::Sent, added);
            }
        }
        self.mark_dirty();
    }

    fn check_alone(&self) {
        if !self.has_sessions() && !self.kept.get() {
            let config = &self.board.config;
            let wait = match self.ours {
                true => config.linger,
                false => config.linger + config.bind_timeout,
            };
            self.alone_until.set(Some(clock::now() + wait));
        }
    }
}
