//! A channel's way through the relays of its device.
use super::{RelayLine, state::State};
use crate::{
    client::{ClientError, RelayLogin},
    msrp::{Decoder, Frame, Path, Uri, actor::address_of, uri::Host},
    net::Inlet,
};
use std::{net::SocketAddr, time::Duration};

/// Life that the URIs of a channel are asked for: they are not extended while it is open.
const LIFE: Duration = Duration::from_secs(3600);
/// The port of a relay whose URI names none (RFC 4976 §8).
const PORT: u16 = 2855;
const NAME: &str = "AUTH";

/// URIs at the relays, and the connection they are good on. It is not read before its session is
/// open, so that nothing comes too early.
pub(super) struct Passage {
    line: RelayLine,
    /// What To-Path begins with.
    before: Path,
    /// What the peer is told in `a=path`.
    pub public: Path,
}

impl Passage {
    /// Asks the device's relays for URIs that lead to `own`; nothing without relays.
    ///
    /// Errors: those of [`RelayLine::open`]; `Answer` for a relay that is no MSRP URI.
    pub async fn open(device: &State, own: Uri) -> Result<Option<Self>, ClientError> {
        let relays = device.config().relays.iter();
        let relays: Vec<Uri> = relays
            .map(|uri| uri.parse().map_err(|_| unusable(uri)))
            .collect::<Result<_, _>>()?;
        let Some(nearest) = relays.first() else {
            return Ok(None);
        };
        let addr = address(nearest).await?;
        let account = device.account().cloned();
        let login = RelayLogin {
            account: account.ok_or(ClientError::Unauthorized { code: 401 })?,
            relays,
            own,
            expires: Some(LIFE),
        };
        let line = RelayLine::open(addr, login).await?;
        Ok(Some(Self {
            before: line.use_path()?,
            public: line.public_path()?,
            line,
        }))
    }

    /// The path of requests to a peer that told `remote`.
    ///
    /// Source: RFC 4976 §5.1.
    pub fn path_to(&self, remote: &Path) -> Path {
        self.before.then(remote)
    }

    /// The connection, for a switchboard to go on with.
    pub fn into_stream(self) -> (Inlet<Decoder>, Vec<Frame>) {
        self.line.into_stream()
    }
}

async fn address(relay: &Uri) -> Result<SocketAddr, ClientError> {
    let port = relay.port().unwrap_or(PORT);
    match relay.host() {
        Host::Ip(ip) => Ok((*ip, port).into()),
        Host::Name(name) => {
            let found = address_of(name, port).await;
            found.map_err(|_| ClientError::Connection(NAME))
        }
    }
}

fn unusable(relay: &str) -> ClientError {
    ClientError::Answer {
        request: NAME,
        why: format!("{relay} is no relay's URI"),
    }
}
