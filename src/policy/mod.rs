//! Pure decisions: allow, refuse, defer, choose the way of delivery. Facts come in as arguments,
//! a verdict comes out; nothing here knows a transport or a store.
mod backoff;
mod config;
mod delivery;
mod expiry;
mod offline;
mod permission;
mod settings;

pub use backoff::backoff;
pub use config::Config;
pub use delivery::{Mode, Waiting, choose_mode};
pub use expiry::expiry;
pub use offline::{Attempt, Next, after_attempt};
pub use permission::{NotStored, Standing, may_store};
pub use settings::{Handing, Settings, UnknownHanding};
