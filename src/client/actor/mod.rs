//! Where the client meets sockets, files and time.
mod answer;
mod device;
mod host;
mod inbound;
mod line;
mod media;
mod outbound;
mod pipe;
mod receive;
mod registration;
mod send;
mod source;
mod spool;
mod subscription;

pub use device::{Device, DeviceConfig, Incoming, Summaries};
pub use host::Host;
