//! The HTTP port: health, metrics and the admin API, with thin handlers over the functions.
//!
//! | path | answer |
//! |---|---|
//! | `GET /health/live` | 200 as long as the process answers at all |
//! | `GET /health/ready` | 200 when SIP and MSRP are served, 503 before and while draining |
//! | `GET /metrics` | all figures, in Prometheus' text form |
//! | `/api/v1/…` | the admin API; wants the bearer token of `DATA/admin.token` |
//! | `GET /api/v1/openapi.json` | all of these as an OpenAPI document, for everybody |
mod api;
mod config;
mod jobs;
mod metrics;
mod readiness;
mod server;
mod service;
mod token;
pub mod view;

pub use api::openapi;
pub use config::Config;
pub use jobs::{JobRunning, Jobs};
pub use readiness::{Readiness, State};
pub use server::{Ports, Server, start};
pub use service::{ServiceError, Services};
pub use token::{AdminToken, TokenError};
