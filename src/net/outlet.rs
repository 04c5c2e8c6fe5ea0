use super::{
    StreamLimits, Wire, receive,
    tls::Peer,
    transmit::{drop_front, send, send_slice},
};
use bytes::{Buf, Bytes, BytesMut};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io,
    net::Shutdown,
    rc::Rc,
    task::{Poll, Waker},
};
use tokio::net::TcpStream;

/// How full a write queue is after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Go on.
    Low,
    /// Over the high mark: stop reading what feeds this stream until [`Outlet::when_low`].
    High,
    /// The stream is gone; what was written is dropped.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Flush what is queued, then say goodbye.
    Closing,
    Closed,
}

/// The outbound half of a stream: writes at once where the socket takes it, queues the rest.
///
/// Clones write to the same stream. It stays on the arbiter that opened it.
#[derive(Clone)]
pub struct Outlet(Rc<Inner>);

struct Inner {
    /// Gone once it was released.
    wire: RefCell<Option<Rc<Wire>>>,
    limits: StreamLimits,
    queue: RefCell<VecDeque<Bytes>>,
    queued: Cell<usize>,
    state: Cell<State>,
    draining: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Outlet {
    pub(super) fn new(wire: Rc<Wire>, limits: StreamLimits) -> Self {
        Self(Rc::new(Inner {
            wire: RefCell::new(Some(wire)),
            limits,
            queue: RefCell::default(),
            queued: Cell::new(0),
            state: Cell::new(State::Open),
            draining: Cell::new(false),
            waiting: RefCell::default(),
        }))
    }

    /// Sends `parts` in order, leaving the vector empty: as much at once as the socket takes,
    /// the rest is queued and drained in the background.
    pub fn write(&self, parts: &mut Vec<Bytes>) -> Pressure {
        let inner = &self.0;
        if inner.state.get() != State::Open {
            parts.clear();
            return Pressure::Closed;
        }
        let written = inner.write(parts);
        if written.is_err() {
            parts.clear();
            inner.fail();
            return Pressure::Closed;
        }
        if inner.queued.get() == 0 {
            return Pressure::Low;
        }
        if inner.queued.get() > inner.limits.hard_limit {
            inner.fail();
            return Pressure::Closed;
        }
        self.drain_in_background();
        self.pressure()
    }

    /// How full the queue is now.
    pub fn pressure(&self) -> Pressure {
        match self.0.state.get() {
            State::Open if self.0.queued.get() <= self.0.limits.high_mark => Pressure::Low,
            State::Open => Pressure::High,
            State::Closing | State::Closed => Pressure::Closed,
        }
    }

    /// Octets not yet taken by the socket.
    pub fn queued(&self) -> usize {
        self.0.queued.get()
    }

    /// Resolves when the queue is below its low mark, or the stream is gone.
    pub async fn when_low(&self) {
        poll_fn(|cx| {
            let inner = &self.0;
            if inner.queued.get() <= inner.limits.low_mark || inner.state.get() == State::Closed {
                return Poll::Ready(());
            }
            inner.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Writes out what is queued, then ends the stream.
    pub fn close(&self) {
        let inner = &self.0;
        if inner.state.get() != State::Open {
            return;
        }
        inner.say_goodbye();
        inner.state.set(State::Closing);
        match inner.queued.get() {
            0 => inner.finish(Shutdown::Write),
            _ => self.drain_in_background(),
        }
    }

    /// Ends the stream now, in both directions; what is queued is dropped.
    pub fn abort(&self) {
        self.0.fail();
    }

    /// Whether the stream takes no more.
    pub fn closed(&self) -> bool {
        self.0.state.get() != State::Open
    }

    /// Lets go of the socket without ending the stream, so that the inlet can take it elsewhere
    /// while clones of the outlet still live. They write no more.
    ///
    /// Returns whether that was done: not while something is queued, or on its way out.
    pub fn release(&self) -> bool {
        let inner = &self.0;
        let is_busy = inner.queued.get() > 0 || inner.draining.get();
        if is_busy || inner.state.get() != State::Open {
            return false;
        }
        inner.state.set(State::Closed);
        inner.wire.take();
        inner.wake();
        true
    }

    /// Whether TLS protects the stream.
    pub fn is_secure(&self) -> bool {
        let wire = self.0.wire.borrow();
        wire.as_deref().is_some_and(Wire::is_secure)
    }

    /// Who is at the other end, where it showed a certificate.
    pub fn peer(&self) -> Option<Peer> {
        self.0.wire.borrow().as_deref()?.peer()
    }

    /// Whether nobody else can write.
    pub(super) fn is_last(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }

    /// Appends what there is to read on `wire`, at most `most` octets; 0 at the end.
    ///
    /// Errors: `WouldBlock`, and what breaks the stream.
    pub(super) fn receive(
        &self,
        wire: &Wire,
        input: &mut BytesMut,
        most: usize,
    ) -> io::Result<usize> {
        let Some(layers) = &wire.layers else {
            return receive::read(&wire.tcp, input, most);
        };
        let answer = |octets: &[u8]| self.0.give(&wire.tcp, octets);
        let outcome = layers.borrow_mut().receive(&wire.tcp, input, most, answer);
        self.drain_in_background();
        outcome
    }

    fn drain_in_background(&self) {
        let inner = self.0.clone();
        if inner.queued.get() == 0 || inner.draining.replace(true) {
            return;
        }
        actix_rt::spawn(async move {
            if inner.drain().await.is_err() {
                inner.fail();
            }
            inner.draining.set(false);
        });
    }
}

impl Inner {
    fn write(&self, parts: &mut Vec<Bytes>) -> io::Result<()> {
        let wire = self.wire.borrow();
        let wire = wire.as_deref().ok_or(io::ErrorKind::NotConnected)?;
        match &wire.layers {
            None => self.write_plain(&wire.tcp, parts),
            Some(layers) => layers
                .borrow_mut()
                .wrap(parts, |octets| self.give(&wire.tcp, octets)),
        }
    }

    /// Writes from `parts`, past the queue if that is empty; queues what the socket does not
    /// take.
    fn write_plain(&self, tcp: &TcpStream, parts: &mut Vec<Bytes>) -> io::Result<()> {
        while self.queued.get() == 0 && !parts.is_empty() {
            match send(tcp, parts.iter()) {
                Ok(taken) => drop_front(parts, taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.enqueue(parts);
        Ok(())
    }

    /// Writes `octets` past the queue if that is empty; queues what the socket does not take.
    fn give(&self, tcp: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
        while self.queued.get() == 0 && !octets.is_empty() {
            match send_slice(tcp, octets) {
                Ok(taken) => octets = &octets[taken..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if !octets.is_empty() {
            self.queued.set(self.queued.get() + octets.len());
            let octets = Bytes::copy_from_slice(octets);
            self.queue.borrow_mut().push_back(octets);
        }
        Ok(())
    }

    fn enqueue(&self, parts: &mut Vec<Bytes>) {
        let mut queue = self.queue.borrow_mut();
        for part in parts.drain(..).filter(|part| !part.is_empty()) {
            self.queued.set(self.queued.get() + part.len());
            queue.push_back(part);
        }
    }

    /// Writes until the queue is empty or the socket is full.
    fn flush(&self, tcp: &TcpStream) -> io::Result<()> {
        while self.queued.get() > 0 {
            let sent = send(tcp, self.queue.borrow().iter());
            match sent {
                Ok(taken) => self.advance(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&self, mut taken: usize) {
        let mut queue = self.queue.borrow_mut();
        self.queued.set(self.queued.get() - taken);
        while taken > 0 {
            let front = queue.front_mut().expect("the queue holds what was taken");
            if front.len() > taken {
                front.advance(taken);
                break;
            }
            taken -= front.len();
            queue.pop_front();
        }
        if self.queued.get() <= self.limits.low_mark {
            self.wake();
        }
    }

    async fn drain(&self) -> io::Result<()> {
        let Some(wire) = self.wire.borrow().clone() else {
            return Ok(());
        };
        while self.queued.get() > 0 && self.state.get() != State::Closed {
            let before = self.queued.get();
            tokio::time::timeout(self.limits.stall, wire.tcp.writable())
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            self.flush(&wire.tcp)?;
            if self.queued.get() == before {
                tokio::task::yield_now().await;
            }
        }
        if self.state.get() == State::Closing {
            self.finish(Shutdown::Write);
        }
        Ok(())
    }

    /// Ends the TLS session, if there is one.
    fn say_goodbye(&self) {
        if let Some(wire) = self.wire.borrow().as_deref()
            && let Some(layers) = &wire.layers
        {
            // a session that can't say goodbye ends without
            let _ = layers
                .borrow_mut()
                .farewell(|octets| self.give(&wire.tcp, octets));
        }
    }

    fn fail(&self) {
        if self.state.get() != State::Closed {
            self.finish(Shutdown::Both);
        }
    }

    fn finish(&self, how: Shutdown) {
        self.state.set(State::Closed);
        self.queue.borrow_mut().clear();
        self.queued.set(0);
        if let Some(wire) = self.wire.borrow().as_deref() {
            // a socket that the peer has closed already has nothing left to shut
            let _ = socket2::SockRef::from(&wire.tcp).shutdown(how);
        }
        self.wake();
    }

    fn wake(&self) {
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }
}
