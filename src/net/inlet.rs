use super::{
    Gate, Outlet, StreamLimits, Wire,
    layers::Layers,
    receive::{fill, settle},
    tls::Peer,
};
use bytes::BytesMut;
use futures_util::Stream;
use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};
use tokio::net::TcpStream;

/// Turns octets into frames, keeping what is incomplete for the next read.
pub trait Decode {
    /// What a stream consists of.
    type Frame;
    /// Why a stream can't be read on.
    type Error;

    /// Takes every whole frame from the front of `input` and appends it to `frames`.
    ///
    /// Errors: the stream is lost; frames found before the fault are in `frames` all the same.
    fn decode(
        &mut self,
        input: &mut BytesMut,
        frames: &mut Vec<Self::Frame>,
    ) -> Result<(), Self::Error>;
}

/// Why a stream stopped being read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The socket failed.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    /// The decoder can't make sense of what came.
    #[error("{0}")]
    Decode(E),
}

/// The inbound half of a stream: one item holds all frames of one socket read.
///
/// Ends at end of file, and after an error.
pub struct Inlet<D: Decode> {
    wire: Rc<Wire>,
    outlet: Outlet,
    decoder: D,
    /// What is read but not framed yet; empty and without memory of its own between messages.
    input: BytesMut,
    limits: StreamLimits,
    gate: Gate,
    fault: Option<D::Error>,
    ended: bool,
}

impl<D: Decode> Inlet<D> {
    /// Reads `wire` through `decoder` on the calling arbiter.
    pub fn new(wire: impl Into<Wire>, decoder: D, limits: StreamLimits) -> Self {
        let wire: Rc<Wire> = Rc::new(wire.into());
        let early = wire.layers.as_ref();
        let input = early.map_or_else(BytesMut::new, |layers| layers.borrow_mut().take_early());
        Self {
            outlet: Outlet::new(wire.clone(), limits),
            wire,
            decoder,
            input,
            limits,
            gate: Gate::default(),
            fault: None,
            ended: false,
        }
    }

    /// The way back to the peer, over the same socket.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// What stops this reader.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The peer's address, where the socket still knows it.
    pub fn peer_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.wire.tcp.peer_addr()
    }

    /// Who is at the other end, where it showed a certificate.
    pub fn peer(&self) -> Option<Peer> {
        self.wire.peer()
    }

    /// Takes the stream off this arbiter, with the octets that were read but not yet framed, and
    /// with its TLS session.
    ///
    /// Errors: an [`Outlet`] of this stream still lives and was not released, or the socket can't
    /// be taken out of this arbiter.
    pub fn detach(self) -> io::Result<Detached<D>> {
        if self.outlet.is_last() {
            self.outlet.release();
        }
        let wire = Rc::try_unwrap(self.wire)
            .map_err(|_| io::Error::other("the stream is still being written"))?;
        Ok(Detached {
            tcp: wire.tcp.into_std()?,
            layers: wire.layers,
            decoder: self.decoder,
            input: self.input,
            limits: self.limits,
        })
    }

    /// Octets of memory that wait for the rest of a frame.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.input.capacity()
    }

    #[cfg(test)]
    pub(super) fn tune(&self, liveness: super::Liveness) {
        super::tune(&self.wire.tcp, liveness).expect("the socket is open");
    }

    fn take_frames(&mut self) -> Option<Vec<D::Frame>> {
        let mut frames = Vec::new();
        if let Err(fault) = self.decoder.decode(&mut self.input, &mut frames) {
            self.fault = Some(fault);
        }
        (!frames.is_empty()).then_some(frames)
    }

    /// One read of what there is; `Ok(false)` is the end of the file.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.wire.has_peer_ended() {
            return Poll::Ready(Ok(false));
        }
        loop {
            match self.wire.tcp.poll_read_ready(cx) {
                Poll::Pending => {
                    settle(&mut self.input);
                    return Poll::Pending;
                }
                Poll::Ready(ready) => ready?,
            }
            let most = self.limits.read_size;
            let (wire, outlet) = (&self.wire, &self.outlet);
            match fill(&mut self.input, most, |input| {
                outlet.receive(wire, input, most)
            }) {
                Ok(length) => return Poll::Ready(Ok(length > 0)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<D: Decode + Unpin> Stream for Inlet<D>
where
    D::Error: Unpin,
{
    type Item = Result<Vec<D::Frame>, ReadError<D::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            ready!(this.gate.poll_open(cx));
            if let Some(fault) = this.fault.take() {
                this.ended = true;
                return Poll::Ready(Some(Err(ReadError::Decode(fault))));
            }
            if !this.input.is_empty()
                && let Some(frames) = this.take_frames()
            {
                return Poll::Ready(Some(Ok(frames)));
            }
            if this.fault.is_some() {
                continue;
            }
            match ready!(this.poll_read(cx)) {
                Ok(true) => {}
                Ok(false) => this.ended = true,
                Err(error) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}

/// A stream on its way to another arbiter.
pub struct Detached<D> {
    tcp: std::net::TcpStream,
    layers: Option<Box<RefCell<Layers>>>,
    decoder: D,
    input: BytesMut,
    limits: StreamLimits,
}

impl<D: Decode> Detached<D> {
    /// Goes on reading on the calling arbiter.
    pub fn attach(self) -> io::Result<Inlet<D>> {
        let tcp = TcpStream::from_std(self.tcp)?;
        let wire = Wire {
            tcp,
            layers: self.layers,
        };
        let mut inlet = Inlet::new(wire, self.decoder, self.limits);
        inlet.input = self.input;
        Ok(inlet)
    }
}
