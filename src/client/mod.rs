//! The client device: login, send, receive, retrieve. The command line, the load generator and
//! the tests are built on it.
mod actor;
mod config;
mod enrolment;
mod error;
mod inbox;
mod outgoing;
mod receiving;
mod request;
mod tap;
mod termination;

pub use crate::sip::transaction::Peer;
pub use actor::{
    Conference, DeferredLine, Device, DeviceConfig, Host, Incoming, RelayLine, Summaries,
};
pub use config::Config;
pub use enrolment::RelayLogin;
pub use error::ClientError;
pub use inbox::{Body, Channel, Received};
pub use outgoing::{Content, Mode, Outcome, Outgoing, Progress, Receipt};
pub use tap::{Sight, Tap, TapEvent, Way};
