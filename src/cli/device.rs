//! What every command that is a device needs: who it is, and where the server is.
use super::person;
use crate::{
    client::{self, ClientError, Device, DeviceConfig, Host, Tap},
    identity::{Address, AddressError},
    msrp::Uri,
    sdp::Security,
    sip::transaction::Peer,
};
use actix_rt::{System, SystemRunner};
use clap::{Args, ValueEnum};
use parking_lot::Mutex;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

/// Calls have said goodbye when nothing was on the wire for so long.
const SILENCE: Duration = Duration::from_millis(100);
/// How long they may take for it.
const PARTING: Duration = Duration::from_secs(2);

/// How to reach the server, and with which password.
#[derive(Clone, Debug, Args)]
pub(super) struct Login {
    /// Password of the user
    #[arg(
        long,
        env = "RESTANTE_PASSWORD",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    password: String,
    /// Where the server's SIP port is
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "RESTANTE_SERVER",
        default_value = "127.0.0.1:5060"
    )]
    server: SocketAddr,
    /// How SIP travels; requests that are too large for UDP go by TCP anyway
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
    /// An MSRP relay that channels go through, which knows the same password; once for each of a
    /// chain, the nearest one first
    #[arg(long, value_name = "msrp://HOST:PORT;tcp")]
    relay: Vec<Uri>,
    /// Channels have TLS, or there are none
    #[arg(long)]
    secure: bool,
}

/// How SIP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Udp,
    Tcp,
}

/// A device with sockets of its own.
pub(super) struct OpenDevice {
    system: SystemRunner,
    host: Host,
    device: Device,
    last_seen: Arc<Mutex<Instant>>,
}

/// Reads a user, for clap.
pub(super) fn user(text: &str) -> Result<Address, AddressError> {
    person::parse(text)
}

/// How the devices of the command line behave.
pub(super) fn settings() -> client::Config {
    client::Config::default()
}

/// Opens sockets for the device of `user`.
///
/// Errors: `Socket` if there are none to be had.
pub(super) fn open(
    user: Address,
    login: &Login,
    settings: client::Config,
) -> Result<OpenDevice, ClientError> {
    let system = System::new();
    let seen = Arc::new(Mutex::new(Instant::now()));
    let last_seen = seen.clone();
    let tap: Tap = Arc::new(move |_| *seen.lock() = Instant::now());
    let settings = client::Config {
        bind: local_address(login.server),
        relays: login.relay.iter().map(Uri::to_string).collect(),
        media_security: match login.secure {
            true => Security::Required,
            false => settings.media_security,
        },
        ..settings
    };
    let host = system.block_on(Host::start(settings, Some(tap)))?;
    let device = system.block_on(async { Device::new(&host, login.of(user)) });
    Ok(OpenDevice {
        system,
        device,
        host,
        last_seen,
    })
}

impl Login {
    fn of(&self, address: Address) -> DeviceConfig {
        let server = match self.transport {
            Transport::Udp => Peer::udp(self.server),
            Transport::Tcp => Peer::tcp(self.server),
        };
        DeviceConfig {
            address,
            user: None,
            password: Some(self.password.clone()).filter(|password| !password.is_empty()),
            server,
        }
    }
}

impl OpenDevice {
    /// Does `work` with the device, then lets what it began say goodbye.
    pub(super) fn run<T>(&self, work: impl AsyncFnOnce(&Device) -> T) -> T {
        self.system.block_on(async {
            let outcome = work(&self.device).await;
            let parting = tokio::time::timeout(PARTING, self.fall_silent());
            // who still talks after that is hung up on
            let _ = parting.await;
            outcome
        })
    }

    async fn fall_silent(&self) {
        loop {
            let silent_for = self.last_seen.lock().elapsed();
            if silent_for >= SILENCE {
                return;
            }
            tokio::time::sleep(SILENCE - silent_for).await;
        }
    }

    /// Tells when anything came or went last.
    pub(super) fn last_seen(&self) -> Arc<Mutex<Instant>> {
        self.last_seen.clone()
    }
}

/// Sockets close before the system that drives them ends.
impl Drop for OpenDevice {
    fn drop(&mut self) {
        self.host.stop();
    }
}

/// Our address on the way to `server`; loopback if there is no way.
fn local_address(server: SocketAddr) -> IpAddr {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    let route = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(server)?;
        socket.local_addr()
    });
    route.map_or(Ipv4Addr::LOCALHOST.into(), |local| local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_to_a_loopback_server_begins_at_loopback() {
        assert!(local_address(([127, 0, 0, 1], 5060).into()).is_loopback());
    }
}
