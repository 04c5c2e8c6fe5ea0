//! Who sends and who receives.
use super::{forwarder::Forwarder, relay};
use bytes::BytesMut;
use restante::msrp::{Decoder, Frame};
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_local,
};

/// How messages follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// As fast as the sockets take them.
    Saturated,
    /// Each sender waits until its message has arrived.
    OneInFlight,
}

/// A sender and its receiver.
pub struct Pair {
    sender: TcpStream,
    receiver: TcpStream,
    message: Vec<u8>,
}

impl Pair {
    pub async fn connect(forwarder: &Forwarder, number: usize, size: usize) -> Self {
        let name = format!("b{number}");
        let mut bob = relay::Peer::connect(forwarder.receivers, &name).await;
        let way = match forwarder.is_relay {
            true => {
                let door = format!("msrp://{};tcp", forwarder.receivers);
                bob.use_path(&door, &name).await
            }
            false => format!("msrp://{}/01{};tcp", forwarder.senders, "x".repeat(96)),
        };
        let sender = TcpStream::connect(forwarder.senders).await.unwrap();
        sender.set_nodelay(true).unwrap();
        let to = format!("{way} {}", bob.uri);
        let text = relay::send(
            "0123456789abcdef",
            &to,
            &format!("msrp://a{number}.invalid:9/a{number};tcp"),
            "Failure-Report: no\r\n",
            &"x".repeat(size),
        );
        Self {
            sender,
            receiver: bob.into_tcp(),
            message: text.into_bytes(),
        }
    }

    /// Sends one message and waits for it; returns how many octets it has beyond the relay.
    async fn measure(&mut self) -> usize {
        self.sender.write_all(&self.message).await.unwrap();
        let (mut decoder, mut buf, mut octets) = (Decoder::new(8192), BytesMut::new(), 0);
        let mut frames: Vec<Frame> = Vec::new();
        while !frames.iter().any(Frame::ends) {
            octets += self.receiver.read_buf(&mut buf).await.unwrap();
            decoder.decode_all(&mut buf, &mut frames).unwrap();
        }
        octets
    }
}

/// Loads `forwarder` for `time`; returns the nanoseconds of CPU per message that its thread
/// spent, and the messages per second.
pub async fn run(
    forwarder: &Forwarder,
    pairs: Vec<Pair>,
    pattern: Pattern,
    time: Duration,
) -> (f64, f64) {
    let messages = Rc::new(Cell::new(0.0));
    let mut tasks = Vec::new();
    for mut pair in pairs {
        let length = pair.measure().await;
        let messages = messages.clone();
        match pattern {
            Pattern::OneInFlight => tasks.push(spawn_local(one_by_one(pair, length, messages))),
            Pattern::Saturated => {
                let (read, write) = (pair.receiver, pair.sender);
                tasks.push(spawn_local(flood(write, pair.message)));
                tasks.push(spawn_local(drain(read, length, messages)));
            }
        }
    }
    tokio::time::sleep(time / 4).await;
    let (start, cost, before) = (Instant::now(), forwarder.cost().await, messages.get());
    tokio::time::sleep(time).await;
    let cost = forwarder.cost().await - cost;
    let count = messages.get() - before;
    let rate = count / start.elapsed().as_secs_f64();
    for task in tasks {
        task.abort();
    }
    (cost as f64 / count, rate)
}

async fn one_by_one(mut pair: Pair, length: usize, messages: Rc<Cell<f64>>) {
    let mut octets = vec![0; length];
    loop {
        pair.sender.write_all(&pair.message).await.unwrap();
        pair.receiver.read_exact(&mut octets).await.unwrap();
        messages.set(messages.get() + 1.0);
    }
}

async fn flood(mut to: TcpStream, message: Vec<u8>) {
    let many = message.repeat((128 * 1024 / message.len()).max(1));
    while to.write_all(&many).await.is_ok() {}
}

async fn drain(mut from: TcpStream, length: usize, messages: Rc<Cell<f64>>) {
    let mut octets = vec![0; 256 * 1024];
    while let Ok(count) = from.read(&mut octets).await {
        messages.set(messages.get() + count as f64 / length as f64);
    }
}
