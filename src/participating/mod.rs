//! The home IM server of its subscribers: takes their messages, hands them to who is there and
//! keeps them for who is not.
//!
//! Here, and only here, SIP and MSRP meet the functions. `routing` decides where a request goes,
//! `facts` what is kept with a message, `wrapping` and `invitation` how it travels to its reader,
//! `notice` which way back its notifications go; `actor` carries it out: one flow per call, which
//! reads like the ladder it draws.
//! Sources: RFC 3261 (as B2BUA), RFC 3428, RFC 4975, RFC 3842, OMA SIMPLE IM.

pub mod actor;
mod addressees;
mod aggregation;
mod batch;
mod chatroom;
mod config;
mod devices;
mod facts;
mod invitation;
mod metrics;
mod notice;
mod pace;
mod routing;
mod terms;
mod watchers;
mod ways;
mod wrapping;

pub use actor::{Conferences, Drains, Legs, Pool};
pub use batch::Channels;
pub use config::{AfterUse, Config, Participation};
pub use devices::Devices;
pub use metrics::Metrics;
pub use watchers::Watchers;
pub use ways::Home;
