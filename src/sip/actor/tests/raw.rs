//! A neighbour made of a bare socket, which does exactly what the test says.
use crate::sip::codec::{Builder, Limits, Message};
use bytes::Bytes;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

pub struct Raw(pub UdpSocket);

impl Raw {
    pub async fn bind() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub async fn send(&self, text: &str, to: SocketAddr) {
        self.0.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next message within a second.
    pub async fn receive(&self) -> Option<(Message, SocketAddr)> {
        self.receive_within(Duration::from_secs(1)).await
    }

    pub async fn receive_within(&self, limit: Duration) -> Option<(Message, SocketAddr)> {
        let mut buffer = vec![0; 65_535];
        let received = tokio::time::timeout(limit, self.0.recv_from(&mut buffer)).await;
        let (length, from) = received.ok()?.unwrap();
        let octets = Bytes::copy_from_slice(&buffer[..length]);
        Some((Message::parse(octets, &Limits::default()).unwrap(), from))
    }

    pub async fn answer(&self, request: &Message, from: SocketAddr, code: u16, tag: &str) {
        let contact = format!("<sip:raw@{}>", self.addr());
        let response = Builder::response(request, code).to_tag(tag);
        let response = response.other("Contact", contact).build();
        self.0.send_to(response.octets(), from).await.unwrap();
    }

    /// A request from this socket.
    pub fn request(&self, method: &str, to: SocketAddr, call: &str, more: &str) -> String {
        let own = self.addr();
        format!(
            "{method} sip:bob@{to} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};branch=z9hG4bK{call}{more};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:raw@{own}>;tag=raw\r\nTo: <sip:bob@{to}>{more}\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:raw@{own}>\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }
}

/// Writes `text` and reads until `enough` says so, or a second passes.
pub async fn talk(stream: &mut TcpStream, text: &str, enough: impl Fn(&str) -> bool) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let listen = async {
        loop {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap_or(0);
            heard.extend_from_slice(&buffer[..length]);
            if length == 0 || enough(&String::from_utf8_lossy(&heard)) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), listen).await;
    String::from_utf8(heard).unwrap()
}
