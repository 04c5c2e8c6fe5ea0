//! The sessions and connections of one shard.
use super::{
    CloseReason, Entry, Exchange, OpenSession, Role, SessionHandle,
    link::Link,
    listener, load_credentials,
    neighbours::{Neighbour, Place, Way, shard_digits},
    session::State,
    work::Work,
};
use crate::{
    clock,
    msrp::{
        Config, Decoder, Frame, Head, Path, Uri,
        hop::TransactionId,
        metrics::Metrics,
        tally::{Level, Tally},
        uri::session_id_of,
    },
    net::{
        self, Inlet, StreamLimits,
        tls::{Expect, Fingerprint},
    },
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
use tokio::net::TcpListener;

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(250);
/// One read in so many has its time taken.
const SAMPLED: u64 = 16;

/// Which way a head went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It came in.
    Received,
    /// It went out.
    Sent,
}

/// The head of a request or response that passes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// The neighbour at the other end of the connection.
    pub peer: SocketAddr,
    /// The connection: unique on its shard.
    pub connection: u64,
    /// Start line and header fields. What has no body comes with its end-line where it goes out.
    pub head: &'a [u8],
}

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
    /// Where we listen: plain TCP first.
    entries: Vec<(Entry, SocketAddr)>,
    authority: String,
    /// As `authority`, for who comes by TLS; empty if nobody can.
    secure_authority: String,
    sessions: RefCell<HashMap<Bytes, Rc<State>>>,
    waiting: RefCell<Vec<Weak<State>>>,
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
        let mut entries = Vec::new();
        let mut listeners = Vec::new();
        for entry in Entry::ALL {
            if let Some(wanted) = entry.wanted(config) {
                let (listener, bound) = listen(exchange, entry, wanted)?;
                entries.push((entry, bound));
                listeners.push((entry, listener));
            }
        }
        let authority_of = |wanted| {
            let found = entries.iter().find(|(entry, _)| *entry == wanted);
            // a port that is advertised is the one without TLS
            let advertised = config.advertise.as_deref().map(|host| match wanted {
                Entry::Tls => without_port(host),
                _ => host,
            });
            found.map(|(_, bound)| authority(advertised, *bound))
        };
        let board = Rc::new(Self {
            metrics: Metrics::register(),
            shard,
            exchange: exchange.clone(),
            authority: authority_of(Entry::Tcp).unwrap_or_default(),
            secure_authority: authority_of(Entry::Tls).unwrap_or_default(),
            entries,
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
        self.entry_addr(Entry::Tcp).unwrap_or(self.config.listen)
    }

    /// Returns all ways in, and where they are.
    pub fn entries(&self) -> Vec<(Entry, SocketAddr)> {
        self.entries.clone()
    }

    /// Returns where one comes in by `entry`, if one can.
    pub fn entry_addr(&self, entry: Entry) -> Option<SocketAddr> {
        let found = self.entries.iter().find(|(known, _)| *known == entry);
        found.map(|(_, bound)| *bound)
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
        Uri::build(false, &self.authority, id, "tcp")
            .unwrap_or_else(|_| Uri::for_session(false, self.listen_addr(), id, "tcp"))
    }

    /// Returns the `msrps` URI of a session of this shard; `None` where nobody can come by TLS.
    pub fn local_secure_uri(&self, id: &str) -> Option<Uri> {
        let at = self.entry_addr(Entry::Tls)?;
        let uri = Uri::build(true, &self.secure_authority, id, "tcp");
        Some(uri.unwrap_or_else(|_| Uri::for_session(true, at, id, "tcp")))
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

    /// Opens a session. An active one connects as soon as its peer's path is known, over an
    /// existing connection where there is one.
    pub fn open(self: &Rc<Self>, open: OpenSession) -> SessionHandle {
        let local = self.local_uri(&open.local_id);
        self.open_as(open, local, Vec::new())
    }

    /// Opens a session that takes and makes connections by TLS only, under its `msrps` URI. Where
    /// signalling told the peer's `fingerprints`, its certificate must have one of them; where it
    /// did not, a peer we connect to must show one for the host of its URI (RFC 4975 §14.4).
    /// `None` where nobody can come by TLS.
    pub fn open_secure(
        self: &Rc<Self>,
        open: OpenSession,
        fingerprints: Vec<Fingerprint>,
    ) -> Option<SessionHandle> {
        let local = self.local_secure_uri(&open.local_id)?;
        Some(self.open_as(open, local, fingerprints))
    }

    fn open_as(
        self: &Rc<Self>,
        open: OpenSession,
        local: Uri,
        fingerprints: Vec<Fingerprint>,
    ) -> SessionHandle {
        let id = Bytes::copy_from_slice(open.local_id.as_bytes());
        let remote = open.remote_path.clone();
        let state = State::new(self.clone(), open, local, fingerprints);
        self.sessions.borrow_mut().insert(id, state.clone());
        if let Some(path) = remote {
            self.set_remote(&state, &path);
        }
        SessionHandle(state)
    }

    /// Opens a session on a connection that was made elsewhere: that of a client to its relay,
    /// with what was read of it and not taken. It carries no other session.
    ///
    /// An active session sends at once, also here (RFC 6135 §4.5). A passive one waits for its
    /// peer's first request: what it sent before that would come by another connection than the
    /// one its peer is making.
    pub fn open_on(
        self: &Rc<Self>,
        (inlet, frames): (Inlet<Decoder>, Vec<Frame>),
        open: OpenSession,
    ) -> SessionHandle {
        let path = open.remote_path.as_ref().map(Path::to_string);
        let role = open.role;
        let handle = self.open(OpenSession {
            remote_path: None,
            ..open
        });
        *handle.0.remote.borrow_mut() = path.unwrap_or_default().into();
        let link = listener::start(self, inlet, frames, true);
        match role {
            Role::Active(_) => handle.0.bind(&link),
            Role::Passive => self.await_peer(&handle.0),
        }
        handle
    }

    pub(super) fn set_remote(self: &Rc<Self>, state: &Rc<State>, path: &Path) {
        let is_first = state.remote.borrow().is_empty();
        *state.remote.borrow_mut() = path.to_string().into();
        if !is_first || state.is_over() || state.link().is_ok() {
            return;
        }
        self.await_peer(state);
        if let Role::Active(addr) = state.role {
            let shard = path.first().session_id().and_then(shard_digits);
            let known = state.fingerprints.borrow().clone();
            let expect = match known.is_empty() {
                false => Some(Expect::Fingerprints(known)),
                true => Neighbour::of(path.first()).and_then(|neighbour| neighbour.expect),
            };
            let neighbour = Neighbour {
                place: Place::At(addr),
                shard,
                expect,
            };
            self.connect(state, neighbour);
        }
    }

    fn await_peer(&self, state: &Rc<State>) {
        let until = clock::now() + self.config.bind_timeout;
        state.bind_until.set(Some(until));
        self.waiting.borrow_mut().push(Rc::downgrade(state));
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

/// Listens where the first switchboard of the process does.
fn listen(
    exchange: &Exchange,
    entry: Entry,
    wanted: SocketAddr,
) -> io::Result<(TcpListener, SocketAddr)> {
    let outcome = exchange.listen_once(entry, wanted, |addr, port| {
        if entry.is_secure() && exchange.credentials().is_none() {
            return Err(io::Error::other("there is no certificate to show"));
        }
        let listener = net::listen_tcp(addr, port)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    outcome.map_err(|error| {
        let text = format!("`{}` = {wanted}: {error}", entry.key());
        io::Error::new(error.kind(), text)
    })
}

async fn tick(board: Rc<Switchboard>) {
    loop {
        tokio::time::sleep(TICK).await;
        board.tick();
    }
}

fn authority(advertise: Option<&str>, listen: SocketAddr) -> String {
    match advertise {
        None => listen.to_string(),
        Some(host) if without_port(host) == host => format!("{host}:{}", listen.port()),
        Some(host) => host.to_owned(),
    }
}

/// Returns the host of a `host:port`, or all of it where it names no port.
fn without_port(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else {
        return host;
    };
    let is_name = host.starts_with('[') || !name.contains(':');
    match is_name && port.parse::<u16>().is_ok() {
        true => name,
        false => host,
    }
}

/// Returns the shard that owns the session `id`, if the id is of our making.
fn shard_of(id: &[u8]) -> Option<usize> {
    let digits = shard_digits(std::str::from_utf8(id).ok()?)?;
    let text = std::str::from_utf8(&digits).ok()?.to_owned();
    usize::from_str_radix(&text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_port_is_the_one_without_tls() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 2856));
        for (advertised, plain, secure) in [
            (
                "relay.example.com",
                "relay.example.com:2856",
                "relay.example.com:2856",
            ),
            (
                "relay.example.com:9",
                "relay.example.com:9",
                "relay.example.com:2856",
            ),
            ("[2001:db8::1]:9", "[2001:db8::1]:9", "[2001:db8::1]:2856"),
            ("[2001:db8::1]", "[2001:db8::1]:2856", "[2001:db8::1]:2856"),
        ] {
            assert_eq!(authority(Some(advertised), listen), plain);
            assert_eq!(authority(Some(without_port(advertised)), listen), secure);
        }
    }
}
