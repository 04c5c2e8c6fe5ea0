use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What an operator may set for the HTTP port: the `[http]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where health, metrics and the admin API are served; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
        }
    }
}
