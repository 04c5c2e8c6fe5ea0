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

    /// Sends `parts` in order, leaving the vector empty: one vectored write at once, the rest is
    /// queued and drained in the background.
    pub fn write(&self, parts: &mut Vec<Bytes>) -> Pressure {
        let inner = &self.0;
        if inner.state.get() != State::Open {
            parts.clear();
            return Pressure::Closed;
        }
        let mut queue = inner.queue.borrow_mut();
        let was_idle = queue.is_empty();
        for part in parts.drain(..).filter(|part| !part.is_empty()) {
            inner.queued.set(inner.queued.get() + part.len());
            queue.push_back(part);
        }
        drop(queue);
        if was_idle && inner.flush().is_err() {
            inner.fail();
            return Pressure::Closed;
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
    /// Writes until the queue is empty or the socket is full.
    fn flush(&self) -> io::Result<()> {
        while self.queued.get() > 0 {
            let taken = {
                let queue = self.queue.borrow();
                let pieces: SmallVec<[IoSlice<'_>; PIECES_PER_WRITE]> = queue
                    .iter()
                    .take(PIECES_PER_WRITE)
                    .map(|piece| IoSlice::new(piece))
                    .collect();
                match self.tcp.try_write_vectored(&pieces) {
                    Ok(taken) => taken,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            };
            self.advance(taken);
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
