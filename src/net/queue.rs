//! What waits until a socket takes it.
use super::{
    StreamLimits, Wire,
    transmit::{drop_front, send, send_slice},
};
use bytes::{Buf, Bytes};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::Shutdown,
    rc::Rc,
    task::Waker,
};
use tokio::net::TcpStream;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Flush what is queued, then say goodbye.
    Closing,
    Closed,
}

/// The way out of a stream, shared by all who write it.
pub(super) struct Queue {
    /// Gone once it was released.
    pub(super) wire: RefCell<Option<Rc<Wire>>>,
    pub(super) limits: StreamLimits,
    pub(super) queue: RefCell<VecDeque<Bytes>>,
    pub(super) queued: Cell<usize>,
    pub(super) state: Cell<State>,
    pub(super) draining: Cell<bool>,
    pub(super) waiting: RefCell<Vec<Waker>>,
}

impl Queue {
    /// Writes `parts` as far as the socket takes them now, and queues the rest.
    pub(super) fn write(&self, parts: &mut Vec<Bytes>) -> io::Result<()> {
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
    pub(super) fn give(&self, tcp: &TcpStream, mut octets: &[u8]) -> io::Result<()> {
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

    pub(super) async fn drain(&self) -> io::Result<()> {
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
    pub(super) fn say_goodbye(&self) {
        if let Some(wire) = self.wire.borrow().as_deref()
            && let Some(layers) = &wire.layers
        {
            // a session that can't say goodbye ends without
            let _ = layers
                .borrow_mut()
                .farewell(|octets| self.give(&wire.tcp, octets));
        }
    }

    pub(super) fn fail(&self) {
        if self.state.get() != State::Closed {
            self.finish(Shutdown::Both);
        }
    }

    pub(super) fn finish(&self, how: Shutdown) {
        self.state.set(State::Closed);
        self.queue.borrow_mut().clear();
        self.queued.set(0);
        if let Some(wire) = self.wire.borrow().as_deref() {
            // a socket that the peer has closed already has nothing left to shut
            let _ = socket2::SockRef::from(&wire.tcp).shutdown(how);
        }
        self.wake();
    }

    pub(super) fn wake(&self) {
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }
}
