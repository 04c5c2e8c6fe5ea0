use super::{admission::class_of, orders::Stop, refusal::refusal, sorter::Sorter};
use crate::{
    clock, net,
    overload::{Class, Valve},
    sip::{
        codec::{Limits, Message, ParseError},
        metrics::Metrics,
        transaction::Peer,
    },
};
use actix::prelude::*;
use bytes::Bytes;
use futures_util::stream;
use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::net::UdpSocket;

/// Datagrams taken from the socket before others get their turn.
const BATCH: usize = 64;
/// The longest datagram there is.
const LONGEST: usize = 65_535;

/// Reads one UDP socket: every wake-up gives one batch per shard.
pub(super) struct Datagrams {
    socket: Rc<UdpSocket>,
    limits: Limits,
    sorter: Sorter,
    metrics: Metrics,
    valve: Option<Valve>,
}

/// What one wake-up brings.
struct Batch {
    datagrams: Vec<(Bytes, SocketAddr)>,
    /// How long the first of them waited in the kernel.
    age: Duration,
}

impl Datagrams {
    pub fn start(
        socket: Rc<UdpSocket>,
        limits: Limits,
        sorter: Sorter,
        metrics: Metrics,
        valve: Option<Valve>,
    ) -> Addr<Self> {
        Self::create(|ctx| {
            ctx.add_stream(batches(socket.clone()));
            Self {
                socket,
                limits,
                sorter,
                metrics,
                valve,
            }
        })
    }

    /// Takes a datagram that came at `arrived`; a stale one only if it must not be lost.
    fn take(&mut self, (octets, source): (Bytes, SocketAddr), arrived: Instant, stale: bool) {
        let peer = Peer::udp(source);
        let message = match Message::parse(octets.clone(), &self.limits) {
            Ok(message) => message,
            // a keep-alive of nothing but line ends
            Err(ParseError::Empty) => return,
            Err(error) => {
                self.metrics.refused(error.kind());
                let salvaged = Message::salvage(&octets, &self.limits);
                return salvaged
                    .into_iter()
                    .for_each(|request| self.refuse(&request, error.status(), peer));
            }
        };
        if !(stale && self.is_dispensable(&message, peer)) {
            return self.sorter.push(message, peer, arrived);
        }
        if let Some(valve) = &self.valve {
            valve.metrics().stale.increment(1);
        }
    }

    /// Whether its sender repeats it, and nothing is lost if it comes to nothing.
    fn is_dispensable(&self, message: &Message, from: Peer) -> bool {
        message.is_request() && class_of(self.valve.as_ref(), message, from) != Class::Ongoing
    }

    /// Whether what is read now waited too long. A few that came late are no backlog.
    fn is_stale(&self, batch: &Batch) -> bool {
        let config = self.valve.as_ref().map(Valve::config);
        let is_backlog = batch.datagrams.len() >= BATCH;
        is_backlog && config.is_some_and(|it| it.enabled && batch.age > it.stale_after)
    }

    /// Answers an unreadable request outside any transaction; such a response or ACK gets no
    /// answer.
    fn refuse(&self, request: &Message, status: u16, from: Peer) {
        let Some((to, response)) = refusal(request, status, from) else {
            return;
        };
        let response = response.build();
        if self.socket.try_send_to(response.octets(), to.addr).is_err() {
            self.metrics.unsent.increment(1);
        }
    }
}

impl Actor for Datagrams {
    type Context = Context<Self>;
}

impl Handler<Stop> for Datagrams {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl StreamHandler<io::Result<Batch>> for Datagrams {
    fn handle(&mut self, batch: io::Result<Batch>, _: &mut Context<Self>) {
        // a failed read of a datagram socket concerns one datagram
        let Ok(batch) = batch else {
            return self.metrics.refused("read_failed");
        };
        let now = clock::now();
        let arrived = now.checked_sub(batch.age).unwrap_or(now);
        let stale = self.is_stale(&batch);
        for datagram in batch.datagrams {
            self.take(datagram, arrived, stale);
        }
        if self.sorter.flush() {
            // the sender of a datagram repeats it
            let lost = self.sorter.discard();
            self.metrics.mailbox_full.increment(lost as u64);
        }
    }
}

fn batches(socket: Rc<UdpSocket>) -> impl futures_util::Stream<Item = io::Result<Batch>> {
    let buffer = vec![0; LONGEST].into_boxed_slice();
    stream::unfold((socket, buffer), |(socket, mut buffer)| async move {
        let batch = read(&socket, &mut buffer).await;
        Some((batch, (socket, buffer)))
    })
}

async fn read(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Batch> {
    let mut batch = Vec::with_capacity(8);
    let first = net::receive(socket, buffer).await?;
    batch.push((
        Bytes::copy_from_slice(&buffer[..first.length]),
        first.source,
    ));
    while batch.len() < BATCH {
        match socket.try_recv_from(buffer) {
            Ok((length, source)) => batch.push((Bytes::copy_from_slice(&buffer[..length]), source)),
            Err(_) => break,
        }
    }
    Ok(Batch {
        datagrams: batch,
        age: first.age,
    })
}
