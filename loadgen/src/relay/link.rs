//! One connection: reads go through a buffer that all connections of a thread share, writes go
//! straight to the socket, and only what it does not take is kept.
use super::secure::Layer;
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Octets read at once, at most; what one thread's connections share.
const READ_AT_ONCE: usize = 128 * 1024;

/// The buffer that all connections of a thread read into.
pub type Scratch = Rc<RefCell<Vec<u8>>>;

/// A new buffer for one thread.
pub fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; READ_AT_ONCE]))
}

/// What is done with a connection's octets.
pub trait Peer {
    /// Takes what it can from the front of `octets`; says how many that were.
    ///
    /// Errors: why the connection can't go on.
    fn take(&mut self, octets: &[u8]) -> Result<usize, String>;

    /// Everything that was read has been taken.
    fn settle(&mut self);

    /// The socket takes octets again.
    fn writable(&mut self);
}

/// The writing side of a connection, and what steers its reading side.
#[derive(Debug)]
pub struct Link {
    half: OwnedWriteHalf,
    layer: RefCell<Option<Layer>>,
    /// What is to be written next; what of it was written already.
    out: RefCell<Vec<u8>>,
    written: Cell<usize>,
    is_blocked: Cell<bool>,
    is_closed: Cell<bool>,
    is_paused: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Link {
    /// The two sides of `stream`, with TLS under it or without.
    pub fn new(stream: TcpStream, layer: Option<Layer>) -> (Rc<Self>, OwnedReadHalf) {
        // a socket that cannot switch Nagle off is merely slow
        let _ = stream.set_nodelay(true);
        let (read, half) = stream.into_split();
        let link = Self {
            half,
            layer: RefCell::new(layer),
            out: RefCell::default(),
            written: Cell::new(0),
            is_blocked: Cell::new(false),
            is_closed: Cell::new(false),
            is_paused: Cell::new(false),
            task: RefCell::default(),
        };
        (Rc::new(link), read)
    }

    /// Lets `write` add to what is written next.
    pub fn add<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        write(&mut self.out.borrow_mut())
    }

    /// Writes what is there; says whether the socket took all of it.
    pub fn flush(&self) -> bool {
        self.flush_with(&[], &[])
    }

    /// Writes what is there, then `body` and `tail`; says whether the socket took everything.
    /// What it did not take is kept, and written when it takes more.
    pub fn flush_with(&self, body: &[u8], tail: &[u8]) -> bool {
        let mut out = self.out.borrow_mut();
        if self.is_closed.get() {
            out.clear();
            self.written.set(0);
            return false;
        }
        if let Some(layer) = &mut *self.layer.borrow_mut() {
            let all = [&out[..], body, tail];
            let sealed = all.iter().try_for_each(|part| layer.seal(part));
            out.clear();
            return sealed.is_ok() && self.transmit(layer);
        }
        let mut taken = 0;
        let wanted = out.len() - self.written.get() + body.len() + tail.len();
        while taken < wanted && !self.is_blocked.get() {
            let parts = rest([&out[self.written.get()..], body, tail], taken);
            match self.write(&parts) {
                Ok(octets) => taken += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.block(),
                Err(_) => {
                    self.close();
                    return false;
                }
            }
        }
        let kept = out.len() - self.written.get();
        if taken >= kept {
            out.clear();
            self.written.set(0);
            for part in rest([body, tail, &[]], taken - kept) {
                out.extend_from_slice(part);
            }
        } else {
            self.written.set(self.written.get() + taken);
            out.extend_from_slice(body);
            out.extend_from_slice(tail);
        }
        out.is_empty()
    }

    fn write(&self, parts: &[&[u8]; 3]) -> io::Result<usize> {
        match parts {
            [only, [], []] | [[], only, []] | [[], [], only] => self.half.try_write(only),
            _ => self.half.try_write_vectored(&parts.map(IoSlice::new)),
        }
    }

    fn transmit(&self, layer: &mut Layer) -> bool {
        if self.is_blocked.get() {
            return false;
        }
        match layer.transmit(self.half.as_ref()) {
            Ok(true) => return true,
            Ok(false) => self.block(),
            Err(_) => self.close(),
        }
        false
    }

    /// Nothing can be sent or received any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Ends the connection from our side.
    pub fn close(&self) {
        self.is_closed.set(true);
        self.wake();
    }

    /// Stops or resumes reading.
    pub fn pause(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
        self.wake();
    }

    /// Lets other connections have their turn before this one writes on.
    pub fn give_way(&self) {
        self.block();
    }

    fn block(&self) {
        self.is_blocked.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    fn remember(&self, context: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        match &*task {
            Some(known) if known.will_wake(context.waker()) => {}
            _ => *task = Some(context.waker().clone()),
        }
    }

    /// Reads and writes until the connection ends; says why.
    pub async fn drive(
        &self,
        mut read: OwnedReadHalf,
        scratch: &Scratch,
        mut peer: impl Peer,
    ) -> String {
        let mut kept = Vec::new();
        // a handshake may have read more than its own
        let mut fed = self.feed(&[], &mut kept, &mut peer);
        while fed.is_ok() {
            let is_layered = self.layer.borrow().is_some();
            let front: &[u8] = if is_layered { &[] } else { &kept };
            match poll_fn(|context| self.poll(context, &mut read, scratch, front)).await {
                Next::Read(0) => return "the other side closed the connection".to_owned(),
                Next::Read(octets) => {
                    let filled = front.len() + octets;
                    fed = self.feed(&scratch.borrow()[..filled], &mut kept, &mut peer);
                }
                Next::Writable => peer.writable(),
                Next::Failed(error) => return error.to_string(),
                Next::Closed => return "we closed the connection".to_owned(),
            }
        }
        fed.err().unwrap_or_default()
    }

    /// Gives `peer` what was read; what it does not take yet is kept. Without TLS what was kept
    /// before stands in front of `read`.
    fn feed(&self, read: &[u8], kept: &mut Vec<u8>, peer: &mut impl Peer) -> Result<(), String> {
        let opened = self
            .layer
            .borrow_mut()
            .as_mut()
            .map(|layer| layer.open(read, kept));
        match opened {
            None => {
                let used = peer.take(read)?;
                kept.clear();
                kept.extend_from_slice(&read[used..]);
            }
            Some(opened) => {
                opened.map_err(|error| error.to_string())?;
                let used = peer.take(kept)?;
                kept.drain(..used);
            }
        }
        peer.settle();
        Ok(())
    }

    fn poll(
        &self,
        context: &mut Context<'_>,
        read: &mut OwnedReadHalf,
        scratch: &Scratch,
        kept: &[u8],
    ) -> Poll<Next> {
        self.remember(context);
        if self.is_closed.get() {
            return Poll::Ready(Next::Closed);
        }
        if self.is_blocked.get()
            && let Poll::Ready(ready) = self.half.as_ref().poll_write_ready(context)
        {
            self.is_blocked.set(false);
            return Poll::Ready(ready.map_or_else(Next::Failed, |()| Next::Writable));
        }
        if self.is_paused.get() {
            return Poll::Pending;
        }
        let mut scratch = scratch.borrow_mut();
        if scratch.len() < kept.len() + READ_AT_ONCE / 2 {
            scratch.resize(kept.len() + READ_AT_ONCE, 0);
        }
        let (front, free) = scratch.split_at_mut(kept.len());
        let mut buffer = ReadBuf::new(free);
        let outcome = ready!(Pin::new(read).poll_read(context, &mut buffer));
        front.copy_from_slice(kept);
        let octets = buffer.filled().len();
        Poll::Ready(outcome.map_or_else(Next::Failed, |()| Next::Read(octets)))
    }
}

enum Next {
    Read(usize),
    Writable,
    Failed(io::Error),
    Closed,
}

/// `parts` without their first `taken` octets.
fn rest(parts: [&[u8]; 3], taken: usize) -> [&[u8]; 3] {
    let mut taken = taken;
    parts.map(|part| {
        let skipped = taken.min(part.len());
        taken -= skipped;
        &part[skipped..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_what_was_not_taken() {
        let parts: [&[u8]; 3] = [b"abc", b"", b"de"];
        assert_eq!(rest(parts, 0), parts);
        assert_eq!(rest(parts, 4).concat(), b"e");
        assert_eq!(rest(parts, 5).concat(), b"");
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_kept_in_order() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut other, _) = listener.accept().await.unwrap();
        let (link, _read) = Link::new(stream, None);
        let mut sent = Vec::new();
        let mut number = 0_u8;
        // until the socket is full, and once more
        while link.flush() {
            number += 1;
            let body = vec![number; 300_000];
            link.add(|out| out.push(b'<'));
            link.flush_with(&body, b">");
            sent.extend([b"<", &body[..], b">"].concat());
        }
        link.flush_with(b"body", b"tail");
        sent.extend(b"bodytail");
        let mut seen = vec![0; sent.len()];
        let read = tokio::io::AsyncReadExt::read_exact(&mut other, &mut seen);
        let write = async {
            loop {
                link.half.writable().await.unwrap();
                link.is_blocked.set(false);
                if link.flush() {
                    return;
                }
            }
        };
        let (read, ()) = tokio::join!(read, write);
        read.unwrap();
        assert!(seen == sent);
    }
}
