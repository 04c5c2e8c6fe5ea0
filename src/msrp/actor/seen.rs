//! What an observer is shown of the requests and responses that pass.
use std::net::SocketAddr;

/// Which way a head went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It came in.
    Received,
    /// It went out.
    Sent,
}

/// The head of a request or response that passes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// The neighbour at the other end of the connection.
    pub peer: SocketAddr,
    /// The connection: unique on its shard.
    pub connection: u64,
    /// Start line and header fields. What has no body comes with its end-line where it goes out.
    pub head: &'a [u8],
}
