//! The sessions and connections of one shard.
use super::{
    CloseReason, Entry, Exchange, Seen,
    link::Link,
    listener, load_credentials,
    neighbours::{Neighbour, Way, shard_digits},
    ports::Ports,
    session::State,
    work::Work,
};
use crate::{
    clock,
    msrp::{
        Config, Head, Uri,
        hop::TransactionId,
        metrics::Metrics,
        tally::{Level, Tally},
        uri::session_id_of,
    },
    net::{self, StreamLimits, tls::Fingerprint},
};
use actix_rt::task::JoinHandle;
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// One read in so many has its time taken.
const SAMPLED: u64 = 16;

/// A connection that has not sent its first request yet.
pub(super) struct Guest(Rc<Cell<usize>>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Looks at the head of every request and response.
type Tap = Box<dyn Fn(&Seen<'_>)>;

/// Owns the MSRP of one shard: its listener, its sessions, its connections.
pub struct Switchboard {
    pub(super) config: Config,
    pub(super) metrics: Metrics,
    pub(super) shard: usize,
    pub(super) exchange: Arc<Exchange>,
    ports: Ports,
    pub(super) sessions: RefCell<HashMap<Bytes, Rc<State>>>,
    pub(super) waiting: RefCell<Vec<Weak<State>>>,
    links: RefCell<HashMap<u64, Rc<Link>>>,
    pub(super) outbound: RefCell<HashMap<Neighbour, Way>>,
    work: Work,
    /// Connections that have not sent their first request yet.
    guests: Rc<Cell<usize>>,
    numbers: Cell<u64>,
    /// Reads so far.
    turns: Cell<u64>,
    /// What the metrics have not been told yet.
    pub(super) tally: Tally,
    tap: RefCell<Option<Tap>>,
    /// No client is taken on any more.
    pub(super) is_parting: Cell<bool>,
    listeners: RefCell<Vec<JoinHandle<()>>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
}

impl Switchboard {
    /// Starts the switchboard of `shard` on the calling arbiter, listening where the
    /// configuration says.
    ///
    /// Errors: the address cannot be listened on.
    pub fn start(shard: usize, exchange: &Arc<Exchange>, config: &Config) -> io::Result<Rc<Self>> {
        let (ports, listeners) = Ports::open(exchange, config)?;
        let board = Rc::new(Self {
            metrics: Metrics::register(),
            shard,
            exchange: exchange.clone(),
            ports,
            config: config.clone(),
            sessions: RefCell::default(),
            waiting: RefCell::default(),
            links: RefCell::default(),
            outbound: RefCell::default(),
            work: Work::default(),
            guests: Rc::default(),
            numbers: Cell::new(0),
            turns: Cell::new(0),
            tally: Tally::default(),
            tap: RefCell::default(),
            is_parting: Cell::new(false),
            listeners: RefCell::default(),
            tasks: RefCell::default(),
        });
        for (entry, listener) in listeners {
            let accepting = actix_rt::spawn(listener::accept(board.clone(), entry, listener));
            board.listeners.borrow_mut().push(accepting);
        }
        let tasks = vec![
            actix_rt::spawn(listener::admit(board.clone(), exchange.open_door(shard))),
            actix_rt::spawn(tick(board.clone())),
        ];
        *board.tasks.borrow_mut() = tasks;
        Ok(board)
    }

    /// Starts the only switchboard of a process: for clients and tests.
    pub fn single(config: &Config) -> io::Result<Rc<Self>> {
        let exchange = Exchange::new(1);
        if let Some(credentials) = load_credentials(config).map_err(io::Error::other)? {
            exchange.protect(credentials);
        }
        Self::start(0, &exchange, config)
    }

    /// Stops listening. Sessions and connections go on; [`Switchboard::session_count`] tells
    /// when they are done.
    pub fn stop_listening(&self) {
        for listener in self.listeners.take() {
            listener.abort();
        }
    }

    /// Stops listening and ends all sessions and connections.
    pub fn stop(&self) {
        self.stop_listening();
        for task in self.tasks.take() {
            task.abort();
        }
        for link in self.all_links() {
            link.fail(CloseReason::Local);
        }
        let sessions: Vec<_> = self.sessions.borrow().values().cloned().collect();
        for session in sessions {
            session.lost(CloseReason::Local);
        }
        self.work.run();
    }

    /// Returns where the switchboard listens for plain TCP.
    pub fn listen_addr(&self) -> SocketAddr {
        self.ports.plain()
    }

    /// Returns all ways in, and where they are.
    pub fn entries(&self) -> Vec<(Entry, SocketAddr)> {
        self.ports.entries().to_vec()
    }

    /// Returns where one comes in by `entry`, if one can.
    pub fn entry_addr(&self, entry: Entry) -> Option<SocketAddr> {
        self.ports.at(entry)
    }

    /// Returns how many sessions are open.
    pub fn session_count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Makes a session id: two digits of the shard, then 128 random bits.
    pub fn new_session_id(&self) -> String {
        format!("{:02x}{}", self.shard & 0xff, net::random_token(16))
    }

    /// Returns the URI of a session of this shard, as in `a=path`.
    pub fn local_uri(&self, id: &str) -> Uri {
        self.ports.uri(id)
    }

    /// Returns the `msrps` URI of a session of this shard; `None` where nobody can come by TLS.
    pub fn local_secure_uri(&self, id: &str) -> Option<Uri> {
        self.ports.secure_uri(id)
    }

    /// Returns the fingerprint of our certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.exchange.credentials()?.fingerprint()
    }

    /// Returns the URI of the relay for a client that came by TLS, or did not.
    pub(super) fn relay_uri(&self, secure: bool, id: &str) -> Uri {
        let protected = secure.then(|| self.local_secure_uri(id)).flatten();
        protected.unwrap_or_else(|| self.local_uri(id))
    }

    /// Shows the head of every request and response to `tap`.
    pub fn set_tap(&self, tap: impl Fn(&Seen<'_>) + 'static) {
        *self.tap.borrow_mut() = Some(Box::new(tap));
    }

    /// Returns the shard that owns what a To-Path names: the client of a relay URI may have moved
    /// since that was given out.
    pub(super) fn owner_of(&self, head: &Head) -> Option<usize> {
        let id = session_id_of(head.to_path_text()?)?;
        let desk = self.exchange.desk();
        desk.and_then(|desk| desk.shard_of(id))
            .or_else(|| shard_of(id))
    }

    pub(super) fn link(&self, number: u64) -> Option<Rc<Link>> {
        self.links.borrow().get(&number).cloned()
    }

    pub(super) fn all_links(&self) -> Vec<Rc<Link>> {
        self.links.borrow().values().cloned().collect()
    }

    pub(super) fn session(&self, id: &[u8]) -> Option<Rc<State>> {
        self.sessions.borrow().get(id).cloned()
    }

    pub(super) fn forget_session(&self, state: &State) {
        if let Some(id) = state.local.session_id() {
            self.sessions.borrow_mut().remove(id.as_bytes());
        }
    }

    pub(super) fn add_link(&self, link: &Rc<Link>) {
        self.links.borrow_mut().insert(link.number, link.clone());
    }

    pub(super) fn forget_link(&self, link: &Link) {
        self.links.borrow_mut().remove(&link.number);
        self.forget_way(link);
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.links.borrow().len() + self.guests.get() >= self.config.max_connections
    }

    /// Counts a connection until the value is dropped.
    pub(super) fn receive_guest(&self) -> Guest {
        self.guests.set(self.guests.get() + 1);
        Guest(self.guests.clone())
    }

    pub(super) fn next_number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// Tells whether this read is one of those whose time is taken.
    pub(super) fn must_sample(&self) -> bool {
        self.turns.set(self.turns.get() + 1);
        self.turns.get().is_multiple_of(SAMPLED)
    }

    /// Makes a transaction id.
    pub(super) fn next_transaction(&self) -> TransactionId {
        TransactionId::from_random(net::random_u64())
    }

    pub(super) fn new_message_id(&self) -> String {
        self.next_transaction().to_string()
    }

    pub(super) fn show(&self, seen: &Seen<'_>) {
        if let Some(tap) = self.tap.borrow().as_ref() {
            tap(seen);
        }
    }

    pub(super) fn tell_soon(self: &Rc<Self>, session: Rc<State>) {
        if self.work.tell(session) {
            self.schedule();
        }
    }

    pub(super) fn write_soon(self: &Rc<Self>, link: Rc<Link>) {
        if self.work.write(link) {
            self.schedule();
        }
    }

    /// Collects what is to be told and written until [`Switchboard::run`], which the caller calls.
    pub(super) fn collect(&self) {
        self.work.expect_run();
    }

    /// Tells all sessions and writes all connections that have something now.
    pub(super) fn run(&self) {
        self.work.run();
    }

    pub(super) fn limits(&self) -> StreamLimits {
        let octets =
            |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        StreamLimits {
            read_size: octets(self.config.read_size),
            high_mark: octets(self.config.high_mark),
            low_mark: octets(self.config.low_mark),
            hard_limit: octets(self.config.hard_limit),
            stall: self.config.stall_timeout,
        }
    }

    /// Calls from outside a read are worked off together, in a task of their own.
    fn schedule(self: &Rc<Self>) {
        let board = self.clone();
        actix_rt::spawn(async move { board.run() });
    }

    fn tick(&self) {
        let now = clock::now();
        let mut level = Level::default();
        for link in self.all_links() {
            link.tick(now);
            level.queued += link.outlet().queued() as u64;
            level.paused += u64::from(!link.gate.is_open());
            level.stops += link.gate.take_stops();
        }
        self.tally.settle(&self.metrics);
        self.tally.level(&self.metrics, level);
        let mut late = Vec::new();
        self.waiting.borrow_mut().retain(|session| {
            let Some(session) = session.upgrade() else {
                return false;
            };
            match session.bind_until.get() {
                Some(until) if until <= now => {
                    late.push(session);
                    false
                }
                waiting => waiting.is_some(),
            }
        });
        for session in late {
            session.lost(CloseReason::BindTimeout);
        }
        self.run();
    }
}

async fn tick(board: Rc<Switchboard>) {
    loop {
        tokio::time::sleep(TICK).await;
        board.tick();
    }
}

/// Returns the shard that owns the session `id`, if the id is of our making.
fn shard_of(id: &[u8]) -> Option<usize> {
    let digits = shard_digits(std::str::from_utf8(id).ok()?)?;
    let text = std::str::from_utf8(&digits).ok()?.to_owned();
    usize::from_str_radix(&text, 16).ok()
}
