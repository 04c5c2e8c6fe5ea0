//! The embedded SIP/IP core: subscribers, the registrar, the location service and the digest
//! realm. In an operator's network an outer core does this, and tells of its users by third-party
//! REGISTER.
//!
//! Covers RFC 3261 §10.3 (REGISTER), §22 (digest), RFC 3327 (Path), RFC 3608 (Service-Route, as
//! configured), RFC 5626 as far as one device re-registering by instance and reg-id. The rules
//! are functions of a request, the bindings there are, and the time; the actor side keeps
//! subscribers and bindings in the store, so that both survive a restart.
mod actor;
mod binding;
mod config;
mod judge;
mod metrics;
mod register;
mod reply;
mod subscriber;
mod third_party;

pub use actor::{
    BindingTimer, Handled, Location, Realm, Registrar, RegistrationChanged, Subscribers,
};
pub use binding::Binding;
pub use config::Config;
pub use judge::{Kind, Verdict};
pub use reply::Reply;
pub use subscriber::{Amendment, Subscriber, SubscriberError};
pub use third_party::is_third_party;
