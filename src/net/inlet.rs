use super::{
    Gate, Outlet, StreamLimits,
    receive::{receive, settle},
};
use bytes::BytesMut;
use futures_util::Stream;
use std::{
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
    tcp: Rc<TcpStream>,
    decoder: D,
    /// What is read but not framed yet; empty and without memory of its own between messages.
    input: BytesMut,
    limits: StreamLimits,
    gate: Gate,
    fault: Option<D::Error>,
    ended: bool,
}

impl<D: Decode> Inlet<D> {
    /// Reads `tcp` through `decoder` on the calling arbiter.
    pub fn new(tcp: TcpStream, decoder: D, limits: StreamLimits) -> Self {
        Self {
            tcp: Rc::new(tcp),
            decoder,
            input: BytesMut::new(),
            limits,
            gate: Gate::default(),
            fault: None,
            ended: false,
        }
    }

    /// The way back to the peer, over the same socket.
    pub fn outlet(&self) -> Outlet {
        Outlet::new(self.tcp.clone(), self.limits)
    }

    /// What stops this reader.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The peer's address, where the socket still knows it.
    pub fn peer_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.tcp.peer_addr()
    }

    /// Takes the stream off this arbiter, with the octets that were read but not yet framed.
    ///
    /// Errors: an [`Outlet`] of this stream still lives, or the socket can't be released.
    pub fn detach(self) -> io::Result<Detached<D>> {
        let tcp = Rc::try_unwrap(self.tcp)
            .map_err(|_| io::Error::other("the stream is still being written"))?;
        Ok(Detached {
            tcp: tcp.into_std()?,
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
        super::tune(&self.tcp, liveness).expect("the socket is open");
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
        loop {
            match self.tcp.poll_read_ready(cx) {
                Poll::Pending => {
                    settle(&mut self.input);
                    return Poll::Pending;
                }
                Poll::Ready(ready) => ready?,
            }
            match receive(&self.tcp, &mut self.input, self.limits.read_size) {
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
    decoder: D,
    input: BytesMut,
    limits: StreamLimits,
}

impl<D: Decode> Detached<D> {
    /// Goes on reading on the calling arbiter.
    pub fn attach(self) -> io::Result<Inlet<D>> {
        let tcp = TcpStream::from_std(self.tcp)?;
        let mut inlet = Inlet::new(tcp, self.decoder, self.limits);
        inlet.input = self.input;
        Ok(inlet)
    }
}
