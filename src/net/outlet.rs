use super::{
    StreamLimits, Wire,
    queue::{Queue, State},
    receive,
    tls::Peer,
};
use bytes::{Bytes, BytesMut};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    net::Shutdown,
    rc::Rc,
    task::Poll,
};

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

/// The outbound half of a stream: writes at once where the socket takes it, queues the rest.
///
/// Clones write to the same stream. It stays on the arbiter that opened it.
#[derive(Clone)]
pub struct Outlet(Rc<Queue>);

impl Outlet {
    pub(super) fn new(wire: Rc<Wire>, limits: StreamLimits) -> Self {
        Self(Rc::new(Queue {
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
