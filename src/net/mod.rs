//! Sockets, arbiters and bounded streams: the plumbing below the protocol actors.
//!
//! One arbiter per core (`Shards`), listeners on each of them (SO_REUSEPORT), streams that are
//! read as much at a time as there is (`Inlet`) and written through a bounded queue (`Outlet`),
//! with TLS and WebSocket below them where they are wanted (`Wire`, `tls`, `web`).
//! `Pulse` measures how late each arbiter is.
//! Nothing here knows a protocol: a decoder is handed in.

mod aged;
mod connect;
mod gate;
mod inlet;
mod layers;
mod listen;
mod open_files;
mod outlet;
mod pulse;
mod queue;
mod random;
mod ready;
mod receive;
mod shards;
pub mod tls;
mod transmit;
mod upgrade;
mod web;
mod wire;

pub use aged::{Received, receive};
pub use connect::connect_tcp;
pub use gate::Gate;
pub use inlet::{Decode, Detached, Inlet, ReadError};
pub use listen::{Liveness, Port, bind_udp, listen_tcp, tune};
pub use open_files::raise_open_files;
pub use outlet::{Outlet, Pressure};
pub use pulse::Pulse;
pub use random::{random_token, random_u32, random_u64};
pub use shards::Shards;
pub use web::Ends;
pub use wire::Wire;

use std::time::Duration;

/// Bounds of one stream. Units: octets, except `stall`.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Most that one read takes from the socket; buffers grow towards it only under load.
    pub read_size: usize,
    /// Queued output above which [`Outlet::write`] answers [`Pressure::High`].
    pub high_mark: usize,
    /// Queued output below which [`Outlet::when_low`] resolves.
    pub low_mark: usize,
    /// Queued output at which the stream is given up: its writer ignored the pressure.
    pub hard_limit: usize,
    /// How long queued output may make no progress before the peer counts as dead.
    pub stall: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            read_size: 64 * 1024,
            high_mark: 256 * 1024,
            low_mark: 64 * 1024,
            hard_limit: 4 * 1024 * 1024,
            stall: Duration::from_secs(30),
        }
    }
}

/// Splits `wire` into what comes in, decoded, and what goes out, bounded. Both ends stay on the
/// calling arbiter.
pub fn open<D: Decode>(
    wire: impl Into<Wire>,
    decoder: D,
    limits: StreamLimits,
) -> (Inlet<D>, Outlet) {
    let inlet = Inlet::new(wire, decoder, limits);
    let outlet = inlet.outlet();
    (inlet, outlet)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
