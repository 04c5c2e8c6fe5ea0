//! The ways into the MSRP of this process, and what protects them.
use crate::{
    msrp::{Config, end_lines::EndLines},
    net::{
        Ends, Wire,
        tls::{Credentials, Expect, Files, TlsError},
    },
};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::net::TcpStream;

/// A way in: how octets come to a listener of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket (RFC 7977), for proxies that end TLS before us.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Entry {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Returns where it is to be, if it is wanted.
    pub fn wanted(self, config: &Config) -> Option<SocketAddr> {
        match self {
            Self::Tcp => Some(config.listen),
            Self::Tls => config.tls_listen,
            Self::Ws => config.ws_listen,
            Self::Wss => config.wss_listen,
        }
    }

    /// Returns the configuration key that says where.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tcp => "msrp.listen",
            Self::Tls => "msrp.tls_listen",
            Self::Ws => "msrp.ws_listen",
            Self::Wss => "msrp.wss_listen",
        }
    }

    /// Returns the name that the ready line gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "msrp",
            Self::Tls => "msrps",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Tells whether TLS protects what comes this way.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Does what this way asks for before the first request. The caller bounds the time.
    ///
    /// Errors: those of the handshakes.
    pub(super) async fn admit(
        self,
        tcp: TcpStream,
        credentials: Option<&Arc<Credentials>>,
    ) -> io::Result<Wire> {
        let wire = match self.is_secure() {
            false => tcp.into(),
            true => Wire::accept_tls(tcp, credentials.ok_or_else(no_tls)?).await?,
        };
        match self {
            Self::Tcp | Self::Tls => Ok(wire),
            Self::Ws | Self::Wss => wire.accept_web("msrp", Box::<EndLines>::default()).await,
        }
    }
}

/// Reads the certificates that `[msrp.tls]` names; `None` if it names none.
///
/// Errors: those of [`Credentials::load`].
pub fn load_credentials(config: &Config) -> Result<Option<Arc<Credentials>>, TlsError> {
    let tls = &config.tls;
    if tls.certificate.is_none() && tls.trust.is_none() {
        return Ok(None);
    }
    let files = Files {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        trust: tls.trust.clone(),
        require_client_certificate: tls.require_client_certificate,
    };
    Credentials::load(files).map(Some)
}

/// Protects a connection of ours, where its peer is to be protected from others.
pub(super) async fn protect(
    tcp: TcpStream,
    credentials: Option<&Arc<Credentials>>,
    expect: Option<&Expect>,
) -> io::Result<Wire> {
    match expect {
        None => Ok(tcp.into()),
        Some(expect) => Wire::connect_tls(tcp, credentials.ok_or_else(no_tls)?, expect).await,
    }
}

/// One MSRP request or response is one WebSocket message (RFC 7977 §5.1).
impl Ends for EndLines {
    fn next_end(&mut self, octets: &[u8]) -> Option<usize> {
        self.next(octets)
    }
}

fn no_tls() -> io::Error {
    io::Error::other("`msrp.tls` names no certificates")
}
