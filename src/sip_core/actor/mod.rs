//! Subscribers, bindings and the realm, kept in the store and reached from any thread; the actor
//! that ends bindings in time.
mod binding_timer;
mod location;
mod realm;
mod registrar;
mod subscribers;

pub use binding_timer::BindingTimer;
pub use location::{Location, RegistrationChanged};
pub use realm::Realm;
pub use registrar::{Handled, Registrar};
pub use subscribers::Subscribers;
