//! Overload control: what is let in while there is more work than the server can do.
//!
//! Nothing is guessed. A [`Line`] holds the requests of one shard that wait for their turn and
//! measures how long they do; a [`Law`] turns a delay that does not go away into the share of new
//! work that is let in, so that what is accepted is finished in time and what is not is refused
//! at once. The [`Valve`] puts together what the lines of all shards, the store and the memory
//! allow, and is asked at the door, before a request has cost anything. What is begun already and
//! what frees resources passes first ([`Class`]). `actor` measures what no request shows.
//! Sources: RFC 7339, RFC 6357 (design), RFC 8289 (a standing queue is what counts), RFC 8033
//! (the law).

pub mod actor;
mod class;
mod config;
mod law;
mod line;
mod metrics;
mod refusals;
#[cfg(test)]
mod tests;
mod valve;

pub use class::Class;
pub use config::Config;
pub use law::Law;
pub use line::{Line, Turn};
pub use refusals::Refusals;
pub use valve::{Reason, Valve};
