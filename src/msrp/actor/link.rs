//! The outbound half of one connection: what its sessions write leaves in one vectored write.
use super::{
    CloseReason,
    flow::Flow,
    hop::{HopActor, Leave},
    output::{OpenChunk, Out},
    session::State,
    switchboard::Switchboard,
};
use crate::{
    clock,
    msrp::{
        ByteRange, Continuation, Method, OutgoingHead, OutgoingId, encoding,
        hop::{Effect, Hop, Transaction, TransactionId},
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
    pub(super) in_flight: RefCell<Hop>,
    pub(super) flow: Flow,
    sessions: RefCell<HashMap<u64, Rc<State>>>,
    /// When the connection ends if no session is on it by then.
    alone_until: Cell<Option<Instant>>,
    down: Cell<bool>,
    /// A session has been here.
    bound: Cell<bool>,
    /// Ways to other shards whose sessions are on it.
    carried: Cell<u32>,
    /// Who made the connection closes it first.
    ours: bool,
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
            ours,
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
        self.in_flight.borrow_mut().handle_session_closed(session);
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

    /// Returns the session that wrote a request of ours, and the request.
    pub(super) fn answered(&self, id: &[u8]) -> Option<(Rc<State>, Transaction)> {
        let id = TransactionId::parse(id)?;
        let transaction = self.in_flight.borrow_mut().handle_response(id)?;
        let session = self.sessions.borrow().get(&transaction.session).cloned()?;
        Some((session, transaction))
    }

    /// Returns the sessions on this connection.
    pub(super) fn sessions_now(&self) -> Vec<Rc<State>> {
        self.sessions.borrow().values().cloned().collect()
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.get()
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

    /// Opens a SEND. Whatever was open before is interrupted.
    pub(super) fn open_send(
        self: &Rc<Self>,
        transaction: Transaction,
        paths: (&[u8], &[u8]),
        head: &OutgoingHead,
        range: ByteRange,
        has_body: bool,
    ) {
        let id = self.board.next_transaction();
        self.write(|out| {
            let text = id.to_octets();
            encoding::put_send(out, &text, paths, head, Some(range), has_body);
        });
        self.in_flight.borrow_mut().handle_opened(id, transaction);
        self.board.metrics.chunks_out.increment(1);
        self.out.borrow_mut().open = Some(OpenChunk {
            session: transaction.session,
            outgoing: transaction.outgoing,
            id,
            has_body,
        });
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

    /// Runs the timers.
    pub(super) fn tick(self: &Rc<Self>, now: Instant) {
        let written = self.written();
        let mut timed_out = Vec::new();
        {
            let mut in_flight = self.in_flight.borrow_mut();
            in_flight.handle_written(written, now);
            in_flight.handle_timeout(now);
            while let Some(Effect::TimedOut(transaction)) = in_flight.next_effect() {
                timed_out.push(transaction);
            }
        }
        for transaction in timed_out {
            self.board.metrics.timeouts.increment(1);
            let session = self.sessions.borrow().get(&transaction.session).cloned();
            if let Some(session) = session {
                session.take_status(transaction, 408);
            }
        }
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
        tracing::debug!(peer = %self.peer, reason = reason.kind(), "MSRP connection closed");
        self.board.metrics.closed(reason.kind());
        match reason {
            CloseReason::BindTimeout | CloseReason::Local | CloseReason::Framing => {
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
        self.board.forget_link(self);
    }

    /// Appends a whole request or response, interrupting what is open.
    fn write(self: &Rc<Self>, put: impl FnOnce(&mut BytesMut)) {
        {
            let mut out = self.out.borrow_mut();
            if out.open.is_some() {
                out.end(Continuation::MoreChunks, &self.in_flight);
            }
            let start = out.buffer.len();
            put(&mut out.buffer);
            let added = out.buffer.len() - start;
            out.count(added);
            if added > 0 {
                self.board.tap_sent(&out.buffer[start..]);
            }
        }
        self.mark_dirty();
    }

    fn check_alone(&self) {
        if self.sessions.borrow().is_empty() && self.carried.get() == 0 {
            let config = &self.board.config;
            let wait = match self.ours {
                true => config.linger,
                false => config.linger + config.bind_timeout,
            };
            self.alone_until.set(Some(clock::now() + wait));
        }
    }
}
