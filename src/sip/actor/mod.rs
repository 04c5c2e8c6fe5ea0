//! The actors of SIP: sockets, timers and the people they work for.
//!
//! One [`Endpoint`] per shard owns the transactions of its Call-IDs, its sockets and the table of
//! dialogs; a `Datagrams` actor reads its UDP socket, a `Stream` actor each of its TCP streams;
//! what belongs to another shard is passed on in batches, one per read. [`Dialog`] runs one INVITE
//! dialog. Users of the room hold an [`EndpointHandle`] and [`DialogHandle`]s, and are told news
//! through the recipients they gave.
//!
//! ```no_run
//! # use restante::{net::Shards, sip::{Config, actor::{self, EndpointHandle, Incoming}}};
//! # async fn run(user: fn(EndpointHandle) -> actix::Recipient<Incoming>) -> Result<(), actor::StartError> {
//! let endpoints = actor::start(&Shards::current_only(), &Config::default(), None, user).await?;
//! println!("SIP at {}", endpoints[0].local_addr());
//! # Ok(()) }
//! ```
//!
//! Bounds, and what happens at them: a full transaction table or a full user answers 503; a full
//! shard pauses the stream that feeds it, and lets datagrams go; a stream whose peer does not read
//! is not read either, and given up at its hard limit; connections beyond the bound are closed at
//! once; dialogs beyond the bound are refused. Each has its counter.

mod admission;
mod backlog;
mod branches;
mod connections;
mod datagrams;
mod dialog;
mod directory;
mod endpoint;
mod failover;
mod feedback;
mod forwarding;
mod forwards;
mod handle;
mod hop;
mod inbound;
mod locator;
mod orders;
mod outbound;
mod proxied;
mod refusal;
mod sockets;
mod sorter;
mod start;
mod stream;
#[cfg(test)]
mod tests;
mod wires;

pub use dialog::{
    AnswerOptions, Dialog, DialogEvent, DialogHandle, DialogNews, DialogNumber, EndReason, EndedBy,
    Extra, InviteOptions, Refused, Reply,
};
pub use endpoint::Endpoint;
pub use handle::{Busy, EndpointHandle, RequestFailed, Target};
pub use orders::{Cancelled, ClientEvent, ClientEventKind, Incoming};
pub use proxied::Proxied;
pub use start::{StartError, Tap, Way, start, start_guarded};
