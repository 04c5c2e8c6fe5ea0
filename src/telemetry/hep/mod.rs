//! The trace of the wire for a Homer collector, as HEP (EEP) version 3.
//!
//! Every SIP message and every MSRP head goes there in a packet of its own, over UDP or TCP. SIP is
//! known there by its Call-ID. MSRP has no number of its own in HEP: by default it goes as a log
//! (100), which Homer shows with the call whose Call-ID it names.
//! Source: HEP/EEP specification, revision 37.
mod config;
mod correlation;
mod packet;
mod sender;

pub(super) use config::Wanted;
pub use config::{Config, Correlate, Protocol};

use super::trace::Queue;
use metrics::{Unit, counter, describe_counter};
use std::{io, net::IpAddr};

/// Starts the thread that speaks to the collector, if there is one. `own` stands for this node in
/// packets of sockets that listen on all addresses.
///
/// Errors: the collector's address makes no sense, or the thread cannot be started.
pub(super) fn start(config: &Config, own: Option<IpAddr>) -> io::Result<Option<Queue>> {
    let Some(sender) = sender::Sender::new(config, own)? else {
        return Ok(None);
    };
    describe_counter!(
        "restante_hep_lost_total",
        Unit::Count,
        "Messages that the HEP collector was not sent: it was too slow, or could not be reached"
    );
    let lost = counter!("restante_hep_lost_total");
    Queue::start("hep", config.queue.as_u64(), lost, sender).map(Some)
}
