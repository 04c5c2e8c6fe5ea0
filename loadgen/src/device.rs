//! The device of one user, as the scenes use it: the client library, and what its outcomes mean
//! to the ledger.
use crate::{
    args::{Mode, Server},
    book::Book,
    ledger::Acknowledged,
    users::Names,
};
use bytes::Bytes;
use std::time::Instant;

/// How devices reach the server, and how they send.
#[derive(Clone, Debug)]
pub struct Settings {}

impl Settings {
    /// As the command line says.
    pub fn new(_server: &Server, _mode: Mode) -> Self {
        Self {}
    }
}

/// The sockets all devices of a thread share.
pub struct Host {}

/// One user's device.
pub struct Device {}

/// Why something was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The refusal, or what broke.
    pub reason: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

impl Host {
    pub async fn start(_settings: &Settings) -> Result<Self, String> {
        Ok(Self {})
    }
    pub fn device(&self, _user: usize, _names: &Names) -> Device {
        Device {}
    }
}

impl Device {
    pub fn listen(&self, _login: Instant, _book: Book) {}
    pub async fn log_in(&self) -> Result<(), Failure> {
        Ok(())
    }
    pub async fn log_out(&self) {}
    pub async fn send(
        &self,
        _to: &str,
        _id: &str,
        _content: Bytes,
    ) -> Result<Acknowledged, Failure> {
        Ok(Acknowledged::Stored)
    }
}
