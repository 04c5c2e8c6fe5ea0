//! What every command that is a device needs: who, and where the server is.
use super::person;
use crate::identity::{Address, AddressError};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;

/// How to reach the server, and with which password.
#[derive(Clone, Debug, Args)]
pub(super) struct Login {
    /// Password of the user
    #[arg(
        long,
        env = "RESTANTE_PASSWORD",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub password: String,
    /// Where the server's SIP port is
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "RESTANTE_SERVER",
        default_value = "127.0.0.1:5060"
    )]
    pub server: SocketAddr,
    /// How SIP travels; large requests go by TCP anyway
    #[arg(long, value_enum, default_value = "udp")]
    pub transport: Transport,
}

/// How SIP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Reads a user, for clap.
pub(super) fn user(text: &str) -> Result<Address, AddressError> {
    person::parse(text)
}
