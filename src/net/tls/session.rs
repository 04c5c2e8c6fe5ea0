use super::{
    Credentials, Expect, Peer,
    steps::{Order, Sealed, Send, Step, invalid},
};
use crate::net::transmit;
use bytes::BytesMut;
use rustls::{
    client::UnbufferedClientConnection, pki_types::ServerName, server::UnbufferedServerConnection,
};
use std::{io, net::IpAddr};
use tokio::net::TcpStream;

/// Octets that one read of a handshake asks for.
const HANDSHAKE_READ: usize = 4 * 1024;

/// One TLS connection after its handshake: opens the records that come, seals what goes out.
pub(in crate::net) struct Session {
    side: Side,
    /// The front of a record whose rest has not come yet.
    rest: Vec<u8>,
    /// What came with the last octets of the handshake.
    early: BytesMut,
    peer: Option<Peer>,
    ended: bool,
    broken: bool,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl Session {
    /// Answers a peer that connected.
    ///
    /// Errors: the socket's, and `InvalidData` for what the peer shows or says.
    pub(in crate::net) async fn accept(
        tcp: &TcpStream,
        credentials: &Credentials,
    ) -> io::Result<Self> {
        let now = credentials.now();
        let config = now
            .server
            .ok_or_else(|| io::Error::other("there is no certificate to show"))?;
        let side = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let mut session = Self::new(Side::Server(side));
        session.shake(tcp).await?;
        session.meet(|chain| now.clients.trust(chain));
        Ok(session)
    }

    /// Greets a peer that we connected to.
    ///
    /// Errors: as [`Session::accept`].
    pub(in crate::net) async fn connect(
        tcp: &TcpStream,
        credentials: &Credentials,
        expect: &Expect,
    ) -> io::Result<Self> {
        let name = match expect {
            Expect::Host(host) => server_name(host)?,
            Expect::Fingerprints(_) => ServerName::from(tcp.peer_addr()?.ip()),
        };
        let config = credentials.now().client(expect);
        let side = UnbufferedClientConnection::new(config, name).map_err(invalid)?;
        let mut session = Self::new(Side::Client(side));
        session.shake(tcp).await?;
        session.meet(|_| matches!(expect, Expect::Host(_)));
        Ok(session)
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            rest: Vec::new(),
            early: BytesMut::new(),
            peer: None,
            ended: false,
            broken: false,
        }
    }

    /// Who is at the other end, where a certificate was shown.
    pub(in crate::net) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Takes what came with the handshake.
    pub(in crate::net) fn take_early(&mut self) -> BytesMut {
        std::mem::take(&mut self.early)
    }

    /// Whether the peer said that it sends no more.
    pub(in crate::net) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The unfinished record that must stand before what the socket gives next.
    pub(in crate::net) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Opens the records in `wire`: the unfinished one and what came after it. Appends
    /// their content to `opened`; what there is to answer
    /// goes to `sealed`, also with an error.
    pub(in crate::net) fn open(
        &mut self,
        wire: &mut [u8],
        opened: &mut BytesMut,
        sealed: &mut Sealed,
    ) -> io::Result<()> {
        let (used, outcome) = self.run(wire, opened, sealed, Send::Nothing);
        self.rest = wire[used..].to_vec();
        if outcome.is_err() {
            self.broken = true;
            self.tell_why(opened, sealed);
        }
        outcome
    }

    /// Makes records of `octets`.
    pub(in crate::net) fn seal(&mut self, octets: &[u8], sealed: &mut Sealed) -> io::Result<()> {
        self.send(Send::Octets(octets), sealed)
    }

    /// Tells the peer that nothing more comes.
    pub(in crate::net) fn farewell(&mut self, sealed: &mut Sealed) -> io::Result<()> {
        self.send(Send::Farewell, sealed)
    }

    fn send(&mut self, send: Send<'_>, sealed: &mut Sealed) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // the unfinished record must be there: the session remembers how far it looked into it
        let mut rest = std::mem::take(&mut self.rest);
        let mut opened = std::mem::take(&mut self.early);
        let (used, outcome) = self.run(&mut rest, &mut opened, sealed, send);
        rest.drain(..used);
        (self.rest, self.early) = (rest, opened);
        self.broken |= outcome.is_err();
        outcome
    }

    /// Takes steps until more octets are needed. Returns how many of `wire` are used up.
    fn run(
        &mut self,
        wire: &mut [u8],
        opened: &mut BytesMut,
        sealed: &mut Sealed,
        send: Send<'_>,
    ) -> (usize, io::Result<()>) {
        let mut order = Order {
            opened,
            sealed,
            send,
        };
        let mut used = 0;
        loop {
            let left = &mut wire[used..];
            let (discard, step) = match &mut self.side {
                Side::Client(side) => order.step(side.process_tls_records(left)),
                Side::Server(side) => order.step(side.process_tls_records(left)),
            };
            used += discard;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Blocked) => return (used, Ok(())),
                Ok(Step::Ended) => self.ended = true,
                Err(error) => return (used, Err(error)),
            }
        }
    }

    /// Collects the alerts that tell the peer what was wrong. Nothing is read for it: a session
    /// that failed must not look at its input again.
    fn tell_why(&mut self, opened: &mut BytesMut, sealed: &mut Sealed) {
        let mut order = Order {
            opened,
            sealed,
            send: Send::Nothing,
        };
        loop {
            let (_, step) = match &mut self.side {
                Side::Client(side) if side.wants_write() => {
                    order.step(side.process_tls_records(&mut []))
                }
                Side::Server(side) if side.wants_write() => {
                    order.step(side.process_tls_records(&mut []))
                }
                _ => return,
            };
            if step.is_err() {
                return;
            }
        }
    }

    fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Client(side) => side.is_handshaking(),
            Side::Server(side) => side.is_handshaking(),
        }
    }

    async fn shake(&mut self, tcp: &TcpStream) -> io::Result<()> {
        let (mut opened, mut sealed) = (BytesMut::new(), Sealed::default());
        let mut wire = Vec::new();
        loop {
            let outcome = self.open(&mut wire, &mut opened, &mut sealed);
            transmit::write_all(tcp, sealed.octets()).await?;
            sealed.clear();
            outcome?;
            if !self.is_handshaking() {
                break;
            }
            wire.clone_from(&self.rest);
            if self.ended || !read_more(tcp, &mut wire).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.early = opened;
        Ok(())
    }

    fn meet(&mut self, trust: impl FnOnce(&[rustls::pki_types::CertificateDer<'_>]) -> bool) {
        let chain = match &self.side {
            Side::Client(side) => side.peer_certificates(),
            Side::Server(side) => side.peer_certificates(),
        };
        self.peer = chain.and_then(|chain| Some(Peer::new(chain.first()?, trust(chain))));
    }
}

/// Appends what there is; `false` at the end of the file.
async fn read_more(tcp: &TcpStream, wire: &mut Vec<u8>) -> io::Result<bool> {
    wire.reserve(HANDSHAKE_READ);
    loop {
        tcp.readable().await?;
        match tcp.try_read_buf(wire) {
            Ok(length) => return Ok(length > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(ServerName::from(address)),
        Err(_) => ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a host name")),
    }
}
