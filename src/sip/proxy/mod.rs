//! A stateful proxy: what it checks, what it changes, and which response goes back
//! (RFC 3261 §16, RFC 5393).
//!
//! `routes` takes out of a request what was meant for us (§16.4), `checks` says whether it may go
//! on (§16.3), `onward` how it does (§16.6), `context` what becomes of the responses (§16.7 to
//! §16.10): one target is tried after the other, and who forwards decides after each failure
//! whether there is another one. The actor is `sip::actor`: it runs the transactions, and asks
//! the context what a response means.

mod best;
mod checks;
mod context;
mod onward;
mod recorded;
mod routes;

pub use best::Best;
pub use checks::{Hindrance, LoopMark, check};
pub use context::{Context, Outcome, Step, Steps};
pub use onward::Onward;
pub use recorded::record_routes;
pub use routes::{Ourselves, arrive};
