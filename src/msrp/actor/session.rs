//! One end of a session: its state on its shard.
use super::{
    CloseReason, OpenSession, Role, SendError, SessionEvent, SessionHandle, Sink, link::Link,
    outbound::Stream, switchboard::Switchboard, transaction::Transaction,
};
use crate::{
    msrp::{
        ByteRange, ChunkToken, Continuation, OutgoingHead, OutgoingId, SessionMatch, Uri, metrics,
        report,
        session::{Rules, Session},
    },
    net::tls::Fingerprint,
};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Instant,
};

/// What a session is on its shard.
pub(super) struct State {
    pub(super) number: u64,
    pub(super) board: Rc<Switchboard>,
    pub(super) local: Uri,
    pub(super) local_text: Bytes,
    pub(super) role: Role,
    /// What the certificate of a peer must be like that comes by TLS; empty: any will do.
    pub(super) fingerprints: RefCell<Vec<Fingerprint>>,
    /// The peer's path on the wire; empty until it is known.
    pub(super) remote: RefCell<Bytes>,
    pub(super) machine: RefCell<Session>,
    pub(super) streams: RefCell<HashMap<OutgoingId, Stream>>,
    pub(super) wants_writable: Cell<bool>,
    /// Something was sent: no empty SEND is needed to bind.
    pub(super) spoke: Cell<bool>,
    /// Nobody has bound the session by then: it ends.
    pub(super) bind_until: Cell<Option<Instant>>,
    /// Its session id alone names it, whatever host stands in To-Path.
    pub(super) is_known_by_id: Cell<bool>,
    link: RefCell<Option<Rc<Link>>>,
    sink: RefCell<Option<Box<dyn Sink>>>,
    inbox: RefCell<Vec<SessionEvent>>,
    listed: Cell<bool>,
    paused: Cell<bool>,
    crowded: Cell<bool>,
    over: Cell<bool>,
    _open: metrics::Open,
}

impl State {
    pub(super) fn new(
        board: Rc<Switchboard>,
        open: OpenSession,
        local: Uri,
        fingerprints: Vec<Fingerprint>,
    ) -> Rc<Self> {
        let rules = Rules {
            accept_types: open.accept_types,
            max_size: open.max_size,
        };
        Rc::new(Self {
            number: board.next_number(),
            local_text: Bytes::copy_from_slice(local.as_str().as_bytes()),
            local,
            role: open.role,
            fingerprints: RefCell::new(fingerprints),
            remote: RefCell::default(),
            machine: RefCell::new(Session::new(rules)),
            streams: RefCell::default(),
            wants_writable: Cell::new(false),
            spoke: Cell::new(false),
            bind_until: Cell::new(None),
            is_known_by_id: Cell::new(board.config.session_match == SessionMatch::SessionId),
            link: RefCell::default(),
            sink: RefCell::new(Some(open.sink)),
            inbox: RefCell::default(),
            listed: Cell::new(false),
            paused: Cell::new(false),
            crowded: Cell::new(false),
            over: Cell::new(false),
            _open: board.metrics.open_session(),
            board,
        })
    }

    pub(super) fn link(&self) -> Result<Rc<Link>, SendError> {
        match self.link.borrow().as_ref() {
            Some(link) => Ok(link.clone()),
            None if self.over.get() => Err(SendError::Closed),
            None => Err(SendError::NotBound),
        }
    }

    /// Tells whether `path`, which has the session's id, is its one URI.
    pub(super) fn is_named_by(&self, path: &[u8]) -> bool {
        path == self.local_text.as_ref()
            || std::str::from_utf8(path)
                .ok()
                .and_then(|text| Uri::parse(text).ok())
                .is_some_and(|uri| self.is_known_by_id.get() || uri == self.local)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Tells whether the session is on `link`; `None` if it is on none.
    pub(super) fn is_on(&self, link: &Rc<Link>) -> Option<bool> {
        self.link
            .borrow()
            .as_ref()
            .map(|bound| Rc::ptr_eq(bound, link))
    }

    /// Tells whether `link` is protected as the session asks for. What our own shards pass on to
    /// each other comes over plain connections from this host.
    pub(super) fn may_come_by(&self, link: &Link) -> bool {
        match (self.local.is_secure(), link.outlet.is_secure()) {
            (false, _) => true,
            (true, false) => link.peer.ip() == self.board.listen_addr().ip(),
            (true, true) if self.fingerprints.borrow().is_empty() => true,
            (true, true) => link
                .outlet
                .peer()
                .is_some_and(|peer| self.fingerprints.borrow().contains(&peer.fingerprint)),
        }
    }

    /// Takes only peers with one of these certificates from now on; who came before with another
    /// one is turned out.
    pub(super) fn expect_certificates(self: &Rc<Self>, known: Vec<Fingerprint>) {
        *self.fingerprints.borrow_mut() = known;
        if self.link().is_ok_and(|link| !self.may_come_by(&link)) {
            self.board.metrics.refused("certificate");
            self.end_here(CloseReason::Certificate);
        }
    }

    /// Gives the session its connection.
    pub(super) fn bind(self: &Rc<Self>, link: &Rc<Link>) {
        self.bind_until.set(None);
        *self.link.borrow_mut() = Some(link.clone());
        link.attach(self.clone());
        if self.paused.get() {
            link.gate.close();
        }
        self.push(SessionEvent::Bound);
    }

    /// Takes the peer's path from the request that bound the session, where signalling has not
    /// told it yet.
    pub(super) fn learn_remote(&self, path: &[u8]) {
        let mut remote = self.remote.borrow_mut();
        if remote.is_empty() {
            *remote = Bytes::copy_from_slice(path);
        }
    }

    /// Notes an event; it is told before the arbiter turns to other tasks.
    pub(super) fn push(self: &Rc<Self>, event: SessionEvent) {
        self.inbox.borrow_mut().push(event);
        if !self.listed.replace(true) {
            self.board.tell_soon(self.clone());
        }
    }

    /// Tells the sink what happened.
    pub(super) fn deliver(self: &Rc<Self>) {
        self.listed.set(false);
        let Some(mut sink) = self.sink.borrow_mut().take() else {
            self.inbox.borrow_mut().clear();
            return;
        };
        let mut events = self.inbox.take();
        let binds = self.must_bind(&events);
        sink.handle(&mut events, &SessionHandle(self.clone()));
        events.clear();
        let mut inbox = self.inbox.borrow_mut();
        if inbox.is_empty() {
            *inbox = events;
        }
        drop(inbox);
        let mut place = self.sink.borrow_mut();
        if place.is_none() && !(self.over.get() && self.inbox.borrow().is_empty()) {
            *place = Some(sink);
        }
        drop(place);
        if binds && !self.spoke.get() {
            self.send_binding();
        }
    }

    /// Takes the status of a SEND of ours: from a response, a REPORT's timer, or silence.
    pub(super) fn take_status(self: &Rc<Self>, sent: Transaction, code: u16) {
        if sent.outgoing == OutgoingId::BINDING {
            if !report::is_success(code) && code != 408 {
                self.end_here(CloseReason::Refused(code));
            }
            return;
        }
        let mut machine = self.machine.borrow_mut();
        let fate = machine.handle_status(sent.outgoing, sent.failure_report, code);
        drop(machine);
        if let Some(code) = fate {
            self.push(SessionEvent::Response {
                transaction: sent.outgoing,
                code,
            });
        }
    }

    /// Answers a SEND, where its Failure-Report wants it.
    pub(super) fn respond(&self, token: ChunkToken, code: u16) {
        let answer = self.machine.borrow_mut().respond(token, code);
        let link = self.link.borrow().clone();
        if let (Some(answer), Some(link)) = (answer, link) {
            link.answer(&answer, &self.local_text);
        }
        self.relieve();
    }

    pub(super) fn replace_sink(&self, sink: Box<dyn Sink>) {
        *self.sink.borrow_mut() = Some(sink);
    }

    pub(super) fn pause(&self) {
        if !self.paused.replace(true)
            && let Some(link) = self.link.borrow().as_ref()
        {
            link.gate.close();
        }
    }

    pub(super) fn resume(&self) {
        if self.paused.replace(false)
            && let Some(link) = self.link.borrow().as_ref()
        {
            link.gate.open();
        }
    }

    /// Pauses a peer that sends faster than it is answered.
    pub(super) fn check_backlog(&self) {
        let unanswered = self.machine.borrow().unanswered();
        if unanswered > self.board.config.max_unanswered
            && !self.crowded.replace(true)
            && let Some(link) = self.link.borrow().as_ref()
        {
            link.gate.close();
        }
    }

    fn relieve(&self) {
        let unanswered = self.machine.borrow().unanswered();
        if unanswered <= self.board.config.max_unanswered / 2
            && self.crowded.replace(false)
            && let Some(link) = self.link.borrow().as_ref()
        {
            link.gate.open();
        }
    }

    /// The connection is gone, or none could be made.
    pub(super) fn lost(self: &Rc<Self>, reason: CloseReason) {
        if self.over.replace(true) {
            return;
        }
        self.board.forget_session(self);
        self.leave_link();
        self.push(SessionEvent::Closed(reason));
    }

    /// Ends the session, not the connection.
    pub(super) fn end_here(self: &Rc<Self>, reason: CloseReason) {
        if self.over.get() {
            return;
        }
        let unfinished: Vec<_> = self.streams.borrow().keys().copied().collect();
        for id in unfinished {
            // without a connection there is nobody to tell
            let _ = self.end(id, Continuation::Aborted);
        }
        let answers = self.machine.borrow_mut().handle_closed();
        if let Ok(link) = self.link() {
            for answer in &answers {
                link.answer(answer, &self.local_text);
            }
        }
        self.lost(reason);
    }

    fn leave_link(&self) {
        let Some(link) = self.link.borrow_mut().take() else {
            return;
        };
        link.detach(self.number);
        if self.paused.replace(false) {
            link.gate.open();
        }
        if self.crowded.replace(false) {
            link.gate.open();
        }
    }

    fn must_bind(&self, events: &[SessionEvent]) -> bool {
        let is_active = matches!(self.role, Role::Active(_));
        let bound = |event: &SessionEvent| matches!(event, SessionEvent::Bound);
        is_active && events.iter().any(bound)
    }

    /// The active end speaks first (RFC 4975 §5.4).
    fn send_binding(&self) {
        let Ok(link) = self.link() else {
            return;
        };
        let head = OutgoingHead::new(self.board.new_message_id(), "");
        let binding = Transaction {
            session: self.number,
            outgoing: OutgoingId::BINDING,
            failure_report: head.failure_report,
        };
        let remote = self.remote.borrow();
        let paths = (remote.as_ref(), self.local_text.as_ref());
        link.open_send(binding, paths, &head, ByteRange::EMPTY, false);
        link.end_send(Continuation::Complete);
    }
}
