//! What the operator's desk can do, whichever way the order came: over the admin API, or from a
//! command line that opened the store itself.
mod error;
mod groups;
mod messages;
mod queues;
mod store;
mod subscribers;

pub use error::ServiceError;

use crate::{
    controlling::Groups,
    deferred::Deferred,
    http::Jobs,
    identity::Address,
    sip_core::{Location, Subscribers},
    store::Handle,
};

/// The functions behind the desk. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Who may log in.
    pub subscribers: Subscribers,
    /// Where they are.
    pub location: Location,
    /// What waits for them.
    pub deferred: Deferred,
    /// Which groups there are.
    pub groups: Groups,
    /// Where all of it is kept.
    pub store: Handle,
    /// What takes its time.
    pub jobs: Jobs,
}

type Outcome<T> = Result<T, ServiceError>;

fn address(given: &str) -> Outcome<Address> {
    Address::parse(given).map_err(|reason| ServiceError::Address {
        given: given.to_owned(),
        reason,
    })
}

/// The last of a page that is full, so that there may be a next one.
fn full<T>(found: &[T], limit: usize) -> Option<&T> {
    found.last().filter(|_| found.len() >= limit)
}
