//! One end of a session, as the rooms above hold it.
use super::{
    CloseReason, OpenSession, Role, SendError, SessionEvent, Sink, link::Link, outbound::Stream,
    switchboard::Switchboard,
};
use crate::{
    msrp::{
        ByteRange, ChunkToken, Continuation, Head, OutgoingHead, OutgoingId, Path, Status, Uri,
        hop::Transaction,
        metrics, report,
        session::{Rules, Session},
    },
    net::Pressure,
};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    net::SocketAddr,
    rc::Rc,
    time::Instant,
};

/// A session on this shard. Clones name the same session; it lives until it is closed.
#[derive(Clone)]
pub struct SessionHandle(pub(super) Rc<State>);

/// What a session is on its shard.
pub(super) struct State {
    pub(super) number: u64,
    pub(super) board: Rc<Switchboard>,
    pub(super) local: Uri,
    pub(super) local_text: Bytes,
    pub(super) role: Role,
    /// The peer's path on the wire; empty until it is known.
    pub(super) remote: RefCell<Bytes>,
    pub(super) machine: RefCell<Session>,
    pub(super) streams: RefCell<HashMap<OutgoingId, Stream>>,
    pub(super) wants_writable: Cell<bool>,
    /// Something was sent: no empty SEND is needed to bind.
    pub(super) spoke: Cell<bool>,
    /// Nobody has bound the session by then: it ends.
    pub(super) bind_until: Cell<Option<Instant>>,
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
    pub(super) fn new(board: Rc<Switchboard>, open: OpenSession, local: Uri) -> Rc<Self> {
        let rules = Rules {
            accept_types: open.accept_types,
            max_size: open.max_size,
        };
        Rc::new(Self {
            number: board.next_number(),
            local_text: Bytes::copy_from_slice(local.as_str().as_bytes()),
            local,
            role: open.role,
            remote: RefCell::default(),
            machine: RefCell::new(Session::new(rules)),
            streams: RefCell::default(),
            wants_writable: Cell::new(false),
            spoke: Cell::new(false),
            bind_until: Cell::new(None),
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

impl SessionHandle {
    /// Returns our URI, as in `a=path`.
    pub fn local_uri(&self) -> &Uri {
        &self.0.local
    }

    /// Tells whether the session has its connection.
    pub fn is_bound(&self) -> bool {
        self.0.link.borrow().is_some()
    }

    /// Tells whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.0.over.get()
    }

    /// Returns the address of the peer's end of the connection.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.link.borrow().as_ref().map(|link| link.peer)
    }

    /// Names the peer's path, once it is known. An active session connects now; a passive one
    /// gives its peer the bind timeout from now on.
    pub fn set_remote(&self, path: &Path) {
        self.0.board.set_remote(&self.0, path);
    }

    /// Sends the session's events elsewhere from now on.
    pub fn set_sink(&self, sink: Box<dyn Sink>) {
        *self.0.sink.borrow_mut() = Some(sink);
    }

    /// Answers a SEND, where its Failure-Report wants an answer with this code.
    ///
    /// An error may be answered before the SEND ended: nothing more of it is told then, but
    /// what was read together with its head.
    pub fn respond(&self, chunk: ChunkToken, code: u16) {
        self.0.respond(chunk, code);
    }

    /// Reports that octets of a message have reached their end (RFC 4975 §7.1.3). The caller
    /// knows whether the message asked for it.
    pub fn success_report(&self, message_id: &str, range: ByteRange) -> Result<(), SendError> {
        self.report(message_id, Some(range), &Status::of(200))
    }

    /// Reports that octets of a message have been lost after they were taken (RFC 4975 §7.1.4).
    pub fn failure_report(
        &self,
        message_id: &str,
        range: ByteRange,
        code: u16,
    ) -> Result<(), SendError> {
        self.report(message_id, Some(range), &Status::of(code))
    }

    /// Sends a REPORT.
    pub fn report(
        &self,
        message_id: &str,
        range: Option<ByteRange>,
        status: &Status,
    ) -> Result<(), SendError> {
        let range = range.map(|range| range.to_string());
        let status = status.to_string();
        let mut fields: Vec<(&str, &[u8])> = vec![("Message-ID", message_id.as_bytes())];
        if let Some(range) = &range {
            fields.push(("Byte-Range", range.as_bytes()));
        }
        fields.push(("Status", status.as_bytes()));
        self.write_report(&fields)
    }

    /// Passes a REPORT on that came in on another session.
    pub fn forward_report(&self, head: &Head) -> Result<(), SendError> {
        const KEPT: [&str; 3] = ["Message-ID", "Byte-Range", "Status"];
        let fields: Vec<_> = KEPT
            .iter()
            .filter_map(|name| head.value(name).map(|value| (*name, value)))
            .collect();
        self.write_report(&fields)
    }

    /// Sends one chunk whose octets are all here. One longer than the largest chunk leaves as
    /// several SENDs with one fate.
    ///
    /// Errors: `Full` while the connection's queue is over its high mark, `NotBound`, `Closed`;
    /// nothing was sent then.
    pub fn send(
        &self,
        head: OutgoingHead,
        pieces: &[Bytes],
        flag: Continuation,
    ) -> Result<OutgoingId, SendError> {
        self.check_room()?;
        self.0.send_whole(head, pieces, flag)
    }

    /// Sends one chunk also over the high mark: for one who has stopped its own source.
    pub(super) fn send_regardless(
        &self,
        head: OutgoingHead,
        pieces: &[Bytes],
        flag: Continuation,
    ) -> Result<OutgoingId, SendError> {
        self.0.send_whole(head, pieces, flag)
    }

    /// Opens a chunk whose octets follow by [`SessionHandle::body`] as they come. Others may
    /// send meanwhile: the chunk is interrupted and continued on the wire, with one fate.
    ///
    /// Errors: as [`SessionHandle::send`].
    pub fn begin(&self, head: OutgoingHead) -> Result<OutgoingId, SendError> {
        self.check_room()?;
        Ok(self.0.begin(head))
    }

    /// Opens a chunk also over the high mark.
    pub(super) fn begin_regardless(&self, head: OutgoingHead) -> Result<OutgoingId, SendError> {
        self.0.link()?;
        Ok(self.0.begin(head))
    }

    /// Writes octets of an open chunk. They are taken even under pressure; the caller then
    /// stops their source.
    ///
    /// Errors: `Closed` if the chunk ended, or the session.
    pub fn body(&self, id: OutgoingId, octets: Bytes) -> Result<Pressure, SendError> {
        self.0.body(id, octets)?;
        Ok(self.pressure())
    }

    /// Ends an open chunk. `Aborted` gives its message up.
    pub fn end(&self, id: OutgoingId, flag: Continuation) -> Result<(), SendError> {
        self.0.end(id, flag)
    }

    /// Tells how full the connection's queue is, as far as this session can know.
    pub fn pressure(&self) -> Pressure {
        match self.0.link() {
            Ok(link) => link.pressure(),
            Err(SendError::Closed) => Pressure::Closed,
            Err(_) => Pressure::High,
        }
    }

    /// Resolves when the queue is below its low mark, or the session is over. For senders that
    /// are tasks of their own; a sink gets `Writable`.
    pub async fn when_writable(&self) {
        let Ok(link) = self.0.link() else {
            return;
        };
        link.flush();
        link.outlet().when_low().await;
    }

    /// Stops reading the session's connection until [`SessionHandle::resume`]. Sessions that
    /// share it wait as well.
    pub fn pause(&self) {
        if !self.0.paused.replace(true)
            && let Ok(link) = self.0.link()
        {
            link.gate.close();
        }
    }

    /// Takes a pause back.
    pub fn resume(&self) {
        if self.0.paused.replace(false)
            && let Ok(link) = self.0.link()
        {
            link.gate.open();
        }
    }

    /// Ends the session. Open chunks are aborted, unanswered SENDs answered 481; the sink hears
    /// `Closed(Local)`.
    pub fn close(&self) {
        self.0.end_here(CloseReason::Local);
    }

    /// Asks for a `Writable` as soon as the queue is not full.
    pub(super) fn await_writable(&self) {
        self.0.wants_writable.set(true);
        if let Ok(link) = self.0.link() {
            link.await_writable();
        }
    }

    fn check_room(&self) -> Result<(), SendError> {
        let link = self.0.link()?;
        match link.pressure() {
            Pressure::Low => Ok(()),
            Pressure::High => {
                self.await_writable();
                Err(SendError::Full)
            }
            Pressure::Closed => Err(SendError::Closed),
        }
    }

    fn write_report(&self, fields: &[(&str, &[u8])]) -> Result<(), SendError> {
        let link = self.0.link()?;
        let remote = self.0.remote.borrow();
        link.report((&remote, &self.0.local_text), fields);
        self.0.spoke.set(true);
        Ok(())
    }
}

impl PartialEq for SessionHandle {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionHandle")
            .field(&self.0.local.as_str())
            .finish()
    }
}
