//! Restante: deferred messaging for SIP/SIMPLE and RCS networks.
//!
//! A message to someone who is offline is kept durably and handed over when its reader is back.
//! The rooms of the house, and who may import whom, are drawn in `ARCHITECTURE.md` and held by
//! `tests/architecture.rs`.

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod content;
pub mod controlling;
pub mod deferred;
pub mod digest;
pub mod http;
pub mod identity;
pub mod msrp;
pub mod neighbours;
pub mod net;
pub mod overload;
pub mod participating;
pub mod policy;
pub mod profile;
pub mod sdp;
pub mod sip;
pub mod sip_core;
pub mod store;
pub mod syntax;
pub mod telemetry;
pub mod trail;
