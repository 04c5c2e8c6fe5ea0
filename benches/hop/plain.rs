//! Forwarding without actors: one task for each connection, which owns both sockets.
use bytes::{Bytes, BytesMut};
use restante::msrp::{
    Decoder, FailureReport, Frame, Method, encoding::put_end, hop::TransactionId,
    relay::route::Lines,
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const READ: usize = 64 * 1024;

/// Listens; returns where senders connect, and receivers.
pub async fn start() -> (SocketAddr, SocketAddr) {
    let senders = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receivers = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addrs = (
        senders.local_addr().unwrap(),
        receivers.local_addr().unwrap(),
    );
    tokio::task::spawn_local(async move {
        loop {
            let (to, _) = receivers.accept().await.unwrap();
            let (from, _) = senders.accept().await.unwrap();
            from.set_nodelay(true).unwrap();
            to.set_nodelay(true).unwrap();
            tokio::task::spawn_local(Way::new().run(from, to));
        }
    });
    addrs
}

/// One direction: what a relay does for each message, and nothing else.
struct Way {
    decoder: Decoder,
    /// The paths of the last message, and how they go on.
    known: Option<(Bytes, Lines)>,
    id: u64,
    out: BytesMut,
}

impl Way {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(8192),
            known: None,
            id: 0x9e37_79b9_7f4a_7c15,
            out: BytesMut::with_capacity(2 * READ),
        }
    }

    async fn run(mut self, mut from: TcpStream, mut to: TcpStream) {
        let mut input = BytesMut::new();
        let mut frames = Vec::new();
        loop {
            input.reserve(READ);
            if from.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return;
            }
            self.decoder.decode_all(&mut input, &mut frames).unwrap();
            for frame in frames.drain(..) {
                self.forward(frame);
            }
            if to.write_all(&self.out).await.is_err() {
                return;
            }
            self.out.clear();
        }
    }

    fn forward(&mut self, frame: Frame) {
        if let Some(head) = frame.head() {
            let paths = head.path_lines();
            if self.known.as_ref().is_none_or(|known| known.0 != paths) {
                let (to, from) = (head.to_path_text().unwrap(), head.from_path_text().unwrap());
                let lines = Lines::of(to, from, 1).unwrap();
                self.known = Some((Bytes::copy_from_slice(paths), lines));
            }
            assert_eq!(head.failure_report(), FailureReport::No);
            assert!(head.message_id().is_some());
            // a new id for each; that of the actors is random
            self.id = self.id.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
        }
        let Some((_, lines)) = &self.known else {
            return;
        };
        let id = TransactionId::from_random(self.id).to_octets();
        match frame {
            Frame::Whole(whole) => {
                lines.put_whole(&mut self.out, &id, whole.payload(), whole.flag());
            }
            Frame::Head(head) => {
                lines.put_start(&mut self.out, &id, Method::Send);
                self.out.extend_from_slice(head.after_paths());
                self.out.extend_from_slice(b"\r\n");
            }
            Frame::Body(octets) => self.out.extend_from_slice(&octets),
            Frame::End(flag) => put_end(&mut self.out, &id, true, flag),
        }
    }
}
