//! A connection to the nearest of a client's relays.
use crate::{
    client::{
        ClientError, RelayLogin,
        enrolment::{Enrolment, Step},
    },
    clock,
    msrp::{Decoder, Frame, Path, Uri},
    net::{self, Inlet, Outlet, Pressure, StreamLimits, Wire},
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    time::{sleep_until, timeout},
};

/// An MSRP connection whose client has a URI at each relay of its chain (RFC 4976 §5.1).
///
/// The URIs are good on this connection only. They are extended in time while somebody waits in
/// [`RelayLine::next`].
pub struct RelayLine {
    inlet: Inlet<Decoder>,
    outlet: Outlet,
    enrolment: Enrolment,
    /// Read, but not taken yet.
    frames: VecDeque<Frame>,
    /// When the URIs are to be extended, or an AUTH of ours must have been answered.
    due: Instant,
    is_asking: bool,
    /// The end of an answer to an AUTH of ours is still to come.
    is_inside: bool,
}

const MAX_HEAD: usize = 8192;
/// How long a connection, and the answer to an AUTH, may take.
const PATIENCE: Duration = Duration::from_secs(30);
const AUTH: &str = "AUTH";

impl RelayLine {
    /// Connects to the nearest relay, which is at `addr`, without TLS, and asks all relays of `login` for a
    /// URI.
    ///
    /// Errors: `Connection`, `TimedOut`, `Unauthorized`, `Refused`; `Answer` also for a relay
    /// named `msrps:`, to which nothing goes without TLS.
    pub async fn open(addr: SocketAddr, login: RelayLogin) -> Result<Self, ClientError> {
        if login.relays.first().is_some_and(Uri::is_secure) {
            return Err(ClientError::Answer {
                request: AUTH,
                why: "an msrps: relay is reached over TLS only".to_owned(),
            });
        }
        let tcp = timeout(PATIENCE, TcpStream::connect(addr)).await;
        let tcp = tcp.map_err(|_| ClientError::TimedOut(AUTH))?;
        let tcp = tcp.map_err(|_| ClientError::Connection(AUTH))?;
        tcp.set_nodelay(true)
            .map_err(|_| ClientError::Connection(AUTH))?;
        Self::over(tcp, login).await
    }

    /// The same over a connection there is, with TLS on it where RFC 4976 is kept to the letter.
    ///
    /// Errors: those of [`RelayLine::open`].
    pub async fn over(wire: impl Into<Wire>, login: RelayLogin) -> Result<Self, ClientError> {
        let limits = StreamLimits::default();
        let (inlet, outlet) = net::open(wire, Decoder::new(MAX_HEAD), limits);
        let mut line = Self {
            inlet,
            outlet,
            enrolment: Enrolment::new(login),
            frames: VecDeque::new(),
            due: clock::now(),
            is_asking: false,
            is_inside: false,
        };
        line.begin()?;
        while line.is_asking {
            line.step().await?;
        }
        Ok(line)
    }

    /// The URIs of the relays in the order in which a request of the client visits them: what
    /// its To-Path begins with.
    ///
    /// They change if a relay grants another URI instead of extending one.
    pub fn use_path(&self) -> Result<Path, ClientError> {
        self.enrolment.use_path()
    }

    /// What the peer is told in `a=path`: the outermost relay first, the client itself last.
    pub fn public_path(&self) -> Result<Path, ClientError> {
        self.enrolment.public_path()
    }

    /// The next frame that is no answer to an AUTH. Keeps the URIs alive meanwhile; dropped
    /// before its end, it loses nothing.
    ///
    /// Errors: `Connection` when the relay is gone, and those of [`RelayLine::open`] if a URI
    /// cannot be extended.
    pub async fn next(&mut self) -> Result<Frame, ClientError> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            self.step().await?;
        }
    }

    /// The connection and what was read of it, for a switchboard to go on with. Nobody extends
    /// the URIs any more.
    pub(super) fn into_stream(self) -> (Inlet<Decoder>, Vec<Frame>) {
        (self.inlet, self.frames.into())
    }

    /// Sends octets: whole requests and responses, in their order.
    pub fn write(&self, parts: &mut Vec<Bytes>) -> Pressure {
        self.outlet.write(parts)
    }

    /// Asks for longer life now, not only when it is due.
    ///
    /// Errors: those of [`RelayLine::open`].
    pub async fn refresh(&mut self) -> Result<(), ClientError> {
        if !self.is_asking {
            self.begin()?;
        }
        while self.is_asking {
            self.step().await?;
        }
        Ok(())
    }

    /// Waits for one read, or until something is due.
    async fn step(&mut self) -> Result<(), ClientError> {
        let read = tokio::select! {
            read = self.inlet.next() => read,
            () = sleep_until(self.due.into()) => {
                return match self.is_asking {
                    true => Err(ClientError::TimedOut(AUTH)),
                    false => self.begin(),
                };
            }
        };
        let Some(Ok(frames)) = read else {
            return Err(ClientError::Connection(AUTH));
        };
        frames.into_iter().try_for_each(|frame| self.take(frame))
    }

    fn take(&mut self, frame: Frame) -> Result<(), ClientError> {
        if self.is_inside {
            self.is_inside = !frame.ends();
            return Ok(());
        }
        let Frame::Head(head) = &frame else {
            self.frames.push_back(frame);
            return Ok(());
        };
        if !self.enrolment.is_answered_by(head) {
            self.frames.push_back(frame);
            return Ok(());
        }
        self.is_inside = true;
        match self.enrolment.handle(head, token())? {
            Step::Send(request) => self.send(request),
            Step::Done(after) => {
                self.is_asking = false;
                self.due = clock::now() + after;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        let request = self.enrolment.begin(token())?;
        self.send(request);
        Ok(())
    }

    fn send(&mut self, request: Bytes) {
        self.is_asking = true;
        self.due = clock::now() + PATIENCE;
        // a queue that is full shows in the silence of the relay
        self.outlet.write(&mut vec![request]);
    }
}

fn token() -> String {
    format!("{:016x}", net::random_u64())
}
