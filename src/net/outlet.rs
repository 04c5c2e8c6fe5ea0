use super::StreamLimits;
use bytes::{Buf, Bytes};
use smallvec::SmallVec;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    net::Shutdown,
    rc::Rc,
    task::{Poll, Waker},
};
use tokio::{io::Interest, net::TcpStream};

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
    tcp: Rc<TcpStream>,
    limits: StreamLimits,
    queue: RefCell<VecDeque<Bytes>>,
    queued: Cell<usize>,
    state: Cell<State>,
    draining: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

/// How many pieces go into one system call.
const PIECES_PER_WRITE: usize = 64;

impl Outlet {
    pub(super) fn new(tcp: Rc<TcpStream>, limits: StreamLimits) -> Self {
        Self(Rc::new(Inner {
            tcp,
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
        if inner.queued.get() == 0 && inner.write_through(parts).is_err() {
            parts.clear();
            inner.fail();
            return Pressure::Closed;
        }
        if parts.is_empty() {
            return self.pressure();
        }
        inner.enqueue(parts);
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
        if self.0.state.get() != State::Open {
            return;
        }
        self.0.state.set(State::Closing);
        if self.0.queued.get() == 0 {
            self.0.finish(Shutdown::Write);
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
    /// Writes from `parts`, past the empty queue; what the socket does not take stays in them.
    fn write_through(&self, parts: &mut Vec<Bytes>) -> io::Result<()> {
        while !parts.is_empty() {
            match send(&self.tcp, parts.iter()) {
                Ok(taken) => drop_front(parts, taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
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
    fn flush(&self) -> io::Result<()> {
        while self.queued.get() > 0 {
            let sent = send(&self.tcp, self.queue.borrow().iter());
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
        while self.queued.get() > 0 && self.state.get() != State::Closed {
            let before = self.queued.get();
            tokio::time::timeout(self.limits.stall, self.tcp.writable())
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            self.flush()?;
            if self.queued.get() == before {
                tokio::task::yield_now().await;
            }
        }
        if self.state.get() == State::Closing {
            self.finish(Shutdown::Write);
        }
        Ok(())
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
        // a socket that the peer has closed already has nothing left to shut
        let _ = socket2::SockRef::from(&*self.tcp).shutdown(how);
        self.wake();
    }

    fn wake(&self) {
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }
}

/// Gives `parts` to the socket, as many as one system call takes. A write that takes less than
/// was offered has filled the socket: readiness is cleared at once, the next one waits for room.
fn send<'a>(tcp: &TcpStream, mut parts: impl Iterator<Item = &'a Bytes>) -> io::Result<usize> {
    let Some(first) = parts.next() else {
        return Ok(0);
    };
    let mut pieces: SmallVec<[IoSlice<'_>; PIECES_PER_WRITE]> = SmallVec::new();
    let mut offered = first.len();
    for part in parts.take(PIECES_PER_WRITE - 1) {
        if pieces.is_empty() {
            pieces.push(IoSlice::new(first));
        }
        offered += part.len();
        pieces.push(IoSlice::new(part));
    }
    let mut outcome = Err(io::ErrorKind::WouldBlock.into());
    // around the write, so that news which come meanwhile are not cleared
    let _ = tcp.try_io(Interest::WRITABLE, || {
        outcome = match pieces.is_empty() {
            true => tcp.try_write(first),
            false => tcp.try_write_vectored(&pieces),
        };
        match &outcome {
            Ok(taken) if *taken < offered => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    outcome
}

/// Takes `octets` off the front of `parts`.
fn drop_front(parts: &mut Vec<Bytes>, mut octets: usize) {
    let mut whole = 0;
    for part in parts.iter_mut() {
        if part.len() > octets {
            part.advance(octets);
            break;
        }
        octets -= part.len();
        whole += 1;
    }
    parts.drain(..whole);
}
