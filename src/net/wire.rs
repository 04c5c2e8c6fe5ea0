use super::{
    layers::Layers,
    tls::{Credentials, Expect, Peer, Session},
    upgrade,
    web::Ends,
};
use std::{cell::RefCell, io};
use tokio::net::TcpStream;

/// A connection that streams are made of: TCP, maybe with TLS and WebSocket on it.
pub struct Wire {
    pub(super) tcp: TcpStream,
    /// What stands between the socket and the stream; nothing costs nothing.
    pub(super) layers: Option<Box<RefCell<Layers>>>,
}

impl Wire {
    /// Does the server's part of a TLS handshake. It takes as long as the peer likes: the caller
    /// bounds it.
    ///
    /// Errors: the socket's, and `InvalidData` for what the peer shows or says.
    pub async fn accept_tls(tcp: TcpStream, credentials: &Credentials) -> io::Result<Self> {
        let session = Session::accept(&tcp, credentials).await?;
        Ok(Self::layered(tcp, Layers::over(session)))
    }

    /// Does the client's part of a TLS handshake with a peer of which `expect` is demanded.
    ///
    /// Errors: as [`Wire::accept_tls`].
    pub async fn connect_tls(
        tcp: TcpStream,
        credentials: &Credentials,
        expect: &Expect,
    ) -> io::Result<Self> {
        let session = Session::connect(&tcp, credentials, expect).await?;
        Ok(Self::layered(tcp, Layers::over(session)))
    }

    /// Does the server's part of a WebSocket handshake for the sub-protocol `protocol`: what is
    /// written leaves in messages that end where `ends` says.
    ///
    /// Errors: the socket's, and `InvalidData` for a peer that asks for anything else.
    pub async fn accept_web(self, protocol: &str, ends: Box<dyn Ends + Send>) -> io::Result<Self> {
        upgrade::accept(self, protocol, ends).await
    }

    /// Whether TLS protects it.
    pub fn is_secure(&self) -> bool {
        let layers = self.layers.as_ref();
        layers.is_some_and(|layers| layers.borrow().is_secure())
    }

    /// Who is at the other end, where a certificate was shown.
    pub fn peer(&self) -> Option<Peer> {
        let layers = self.layers.as_ref()?;
        layers.borrow().peer().cloned()
    }

    /// Whether the peer said that it sends no more.
    pub(super) fn has_peer_ended(&self) -> bool {
        let layers = self.layers.as_ref();
        layers.is_some_and(|layers| layers.borrow().has_ended())
    }

    fn layered(tcp: TcpStream, layers: Layers) -> Self {
        let layers = Some(Box::new(RefCell::new(layers)));
        Self { tcp, layers }
    }
}

impl From<TcpStream> for Wire {
    fn from(tcp: TcpStream) -> Self {
        Self { tcp, layers: None }
    }
}
