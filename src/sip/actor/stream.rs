use super::{Endpoint, orders::Lost, refusal::refusal, sorter::Sorter};
use crate::{
    clock,
    net::{Decode, Gate, Inlet, Outlet, ReadError},
    sip::{
        codec::{Framed, Framer, Limits, Message, ParseError},
        metrics::{Metrics, Open},
        transaction::{ConnectionId, Peer},
    },
};
use actix::prelude::*;
use bytes::{Bytes, BytesMut};
use std::time::{Duration, Instant};

/// How soon a full shard is tried again.
const AGAIN: Duration = Duration::from_millis(2);

/// Reads one SIP stream; its endpoint writes it.
pub(super) struct Stream {
    peer: Peer,
    outlet: Outlet,
    gate: Gate,
    sorter: Sorter,
    metrics: Metrics,
    /// The gate is held closed because a shard is full.
    paused: bool,
    _open: Open,
    _farewell: Farewell,
}

/// Tells the endpoint that the stream is gone, however its actor ended.
pub(super) struct Farewell {
    pub endpoint: Addr<Endpoint>,
    pub connection: ConnectionId,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.endpoint.do_send(Lost(self.connection));
    }
}

/// Frames of a SIP stream for [`Inlet`].
pub(super) struct Frames {
    framer: Framer,
    limits: Limits,
}

/// Why a stream cannot be read on, and the request to blame, if it can be answered.
pub(super) struct Broken {
    error: ParseError,
    salvaged: Option<Message>,
}

impl Frames {
    pub fn new(limits: Limits) -> Self {
        Self {
            framer: Framer::new(limits),
            limits,
        }
    }
}

impl Decode for Frames {
    type Frame = Framed;
    type Error = Broken;

    fn decode(&mut self, input: &mut BytesMut, frames: &mut Vec<Framed>) -> Result<(), Broken> {
        loop {
            match self.framer.next(input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return Ok(()),
                Err(error) => {
                    let salvaged = Message::salvage(input, &self.limits);
                    return Err(Broken { error, salvaged });
                }
            }
        }
    }
}

impl Stream {
    pub fn start(
        inlet: Inlet<Frames>,
        peer: Peer,
        sorter: Sorter,
        metrics: Metrics,
        farewell: Farewell,
    ) {
        let (outlet, gate) = (inlet.outlet(), inlet.gate());
        Self::create(|ctx| {
            ctx.add_stream(inlet);
            Self {
                peer,
                outlet,
                gate,
                sorter,
                paused: false,
                _open: metrics.open_connection(),
                metrics,
                _farewell: farewell,
            }
        });
    }

    fn take(&mut self, frame: Framed, now: Instant) {
        let message = match frame {
            Framed::Message(message) => message,
            Framed::KeepAlive => return self.write(Bytes::from_static(b"\r\n")),
        };
        self.sorter.push(message, self.peer, now);
    }

    fn refuse(&self, request: &Message, status: u16) {
        if let Some((_, response)) = refusal(request, status, self.peer) {
            self.write(response.build().octets().clone());
        }
    }

    fn write(&self, octets: Bytes) {
        self.outlet.write(&mut vec![octets]);
    }

    /// Hands over what was read; stops reading while a shard does not take it.
    fn pass_on(&mut self, ctx: &mut Context<Self>) {
        let full = self.sorter.flush();
        if full {
            ctx.run_later(AGAIN, Self::pass_on);
        }
        match (full, self.paused) {
            (true, false) => {
                self.metrics.paused.increment(1);
                self.gate.close();
            }
            (false, true) => self.gate.open(),
            _ => {}
        }
        self.paused = full;
    }
}

impl Actor for Stream {
    type Context = Context<Self>;
}

impl StreamHandler<Result<Vec<Framed>, ReadError<Broken>>> for Stream {
    fn handle(&mut self, read: Result<Vec<Framed>, ReadError<Broken>>, ctx: &mut Context<Self>) {
        match read {
            Ok(frames) => {
                let now = clock::now();
                for frame in frames {
                    self.take(frame, now);
                }
                self.pass_on(ctx);
            }
            Err(ReadError::Decode(Broken { error, salvaged })) => {
                self.metrics.refused(error.kind());
                if let Some(request) = salvaged {
                    self.refuse(&request, error.status());
                }
                self.outlet.close();
            }
            Err(ReadError::Io(_)) => self.outlet.abort(),
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        // the last words of the peer may still wait for a full shard
        self.sorter.flush();
        self.sorter.discard();
        self.outlet.close();
        ctx.stop();
    }
}
