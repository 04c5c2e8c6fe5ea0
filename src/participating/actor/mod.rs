//! Carries the participating function out: one `Server` per shard takes the requests of its
//! Call-IDs and starts a flow for each.
//!
//! A flow is a task that lives on the shard of its call. It awaits one arrow of the ladder after
//! the other: dialog events through a `feed`, what a channel brings through an
//! `inflow`. Octets of joined channels pass it by, in the relay below.

mod call;
mod channel;
mod deletion;
mod deposit;
mod disposition;
mod drain;
mod drains;
mod entrance;
mod feed;
mod fetching;
mod focus;
mod handover;
mod hearing;
mod hint;
mod inflow;
mod inside;
mod inviting;
mod keeper;
mod letters;
mod line;
mod live;
mod notifying;
mod onward;
mod pager;
mod pages;
mod pool;
mod precedence;
mod proxying;
mod push;
mod race;
mod remote;
mod reporting;
mod requests;
mod retrieval;
mod ringing;
mod rounds;
mod server;
mod services;
mod serving;
mod shutdown;
mod subscribing;
mod subscriptions;
mod underway;

pub use drains::Drains;
pub use focus::{Conferences, Legs};
pub use pool::Pool;
pub use server::Server;
pub use services::{Parts, Services};
pub use shutdown::Shutdown;
