//! What an onlooker sees of the traffic: every SIP message and every MSRP head.
use crate::sip::codec::Message;
use bytes::Bytes;
use std::{net::SocketAddr, sync::Arc};

/// Which way it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From this host.
    Sent,
    /// To this host.
    Received,
}

/// One message on the wire.
#[derive(Clone, Debug)]
pub enum Sight {
    /// A whole SIP message.
    Sip(Message),
    /// Start line and headers of an MSRP request or response, without the body.
    Msrp(Bytes),
}

/// One message on the wire, with its way and the neighbour.
#[derive(Clone, Debug)]
pub struct TapEvent {
    /// Which way it went.
    pub way: Way,
    /// The neighbour at the other end of the wire.
    pub peer: Option<SocketAddr>,
    /// What it was.
    pub sight: Sight,
}

/// Sees everything; called on the host's arbiter while the message is on its way, so it must be
/// quick.
pub type Tap = Arc<dyn Fn(&TapEvent) + Send + Sync>;
