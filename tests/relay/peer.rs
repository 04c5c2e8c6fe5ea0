//! A peer at the end of a connection.
use super::{PASSWORD, answer, id, proof, value};
use bytes::{Bytes, BytesMut};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Writes and reads on one connection.
pub struct Peer {
    pub uri: String,
    pub reader: Reader,
    pub writer: OwnedWriteHalf,
}

/// Reads requests and responses off a connection.
pub struct Reader {
    tcp: OwnedReadHalf,
    read: BytesMut,
}

impl Peer {
    /// Connects to `addr`; the peer's own URI is `name`'s.
    pub async fn connect(addr: SocketAddr, name: &str) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap(), name)
    }

    /// As [`Peer::connect`], where the system keeps but little for the peer: what is not read
    /// stays with the relay.
    pub async fn connect_narrowly(addr: SocketAddr, name: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(32 << 10).unwrap();
        socket.set_send_buffer_size(32 << 10).unwrap();
        Self::over(socket.connect(addr).await.unwrap(), name)
    }

    /// Waits for a connection that a relay makes.
    pub async fn accept(listener: &TcpListener, name: &str) -> Self {
        let (tcp, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        Self::over(tcp, name)
    }

    fn over(tcp: TcpStream, name: &str) -> Self {
        tcp.set_nodelay(true).unwrap();
        let (tcp, writer) = tcp.into_split();
        Self {
            uri: format!("msrp://{name}.invalid:9/{name};tcp"),
            reader: Reader {
                tcp,
                read: BytesMut::new(),
            },
            writer,
        }
    }

    /// Goes on with the bare connection.
    pub fn into_tcp(self) -> TcpStream {
        self.reader.tcp.reunite(self.writer).unwrap()
    }

    pub async fn write(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads one request or response, up to and with its end-line.
    pub async fn frame(&mut self) -> String {
        self.reader.frame().await
    }

    /// Tells whether nothing comes for `time`.
    pub async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.reader.next()).await.is_err()
    }

    /// Waits for the end of the connection.
    pub async fn is_closed(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.reader.next()).await, Ok(None))
    }

    /// Waits for a SEND and answers it; returns it.
    pub async fn take(&mut self, status: &str) -> String {
        let frame = self.frame().await;
        let to = value(&frame, "From-Path").unwrap();
        let to = to.split(' ').next().unwrap();
        let text = answer(id(&frame), status, to, &self.uri);
        self.write(&text).await;
        frame
    }

    /// Asks for its own request to be answered after all that was written before it: what has not
    /// come by then will never come.
    pub async fn drained(&mut self, relay: &str) {
        let text = super::plain_request("sync", "NICKNAME", relay, &self.uri, "");
        self.write(&text).await;
        let frame = self.frame().await;
        assert!(frame.starts_with("MSRP sync 481 "), "{frame}");
    }

    /// Sends an AUTH to the last of `to`; returns the answer.
    pub async fn auth(&mut self, to: &str, fields: &str) -> String {
        let id = "a1b2c3d4";
        let text = super::plain_request(id, "AUTH", to, &self.uri, fields);
        self.write(&text).await;
        self.frame().await
    }

    /// Authenticates as `user` at the last of `to` and returns the answer to the proof.
    pub async fn prove(&mut self, to: &str, user: &str, password: &str, fields: &str) -> String {
        let challenge = self.auth(to, "").await;
        assert!(challenge.starts_with("MSRP a1b2c3d4 401 "), "{challenge}");
        let line = challenge
            .lines()
            .find(|line| line.starts_with("WWW-Authenticate") && line.contains("MD5"))
            .unwrap();
        let proof = proof(line, to.rsplit(' ').next().unwrap(), user, password);
        self.auth(to, &format!("{proof}{fields}")).await
    }

    /// Authenticates and returns the path that the relays gave out.
    pub async fn use_path(&mut self, to: &str, user: &str) -> String {
        let granted = self.prove(to, user, PASSWORD, "").await;
        assert!(granted.starts_with("MSRP a1b2c3d4 200 "), "{granted}");
        value(&granted, "Use-Path").unwrap().to_owned()
    }
}

impl Reader {
    /// Reads one request or response, up to and with its end-line.
    pub async fn frame(&mut self) -> String {
        let frame = self.octets().await;
        String::from_utf8(frame.to_vec()).unwrap()
    }

    /// As [`Reader::frame`], whatever its octets are.
    pub async fn octets(&mut self) -> Bytes {
        timeout(PATIENCE, self.next())
            .await
            .expect("a frame comes")
            .expect("the connection lives")
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Bytes> {
        let mut looked = 0;
        loop {
            if let Some(end) = end_of_frame(&self.read, looked) {
                return Some(self.read.split_to(end).freeze());
            }
            looked = self.read.len().saturating_sub(64);
            self.read.reserve(65_536);
            match self.tcp.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Octets that came and were not asked for yet.
    pub fn buffered(&self) -> usize {
        self.read.len()
    }
}

/// Where the frame at the front ends. Nothing before `looked` opens its end-line.
fn end_of_frame(read: &[u8], looked: usize) -> Option<usize> {
    let rest = read.strip_prefix(b"MSRP ")?;
    let space = memchr::memchr(b' ', rest)?;
    let mark = [b"\r\n-------", &rest[..space]].concat();
    let at = looked + memchr::memmem::find(&read[looked..], &mark)?;
    let end = at + mark.len() + 3;
    (read.len() >= end).then_some(end)
}
