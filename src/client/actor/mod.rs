//! Where the client meets sockets, files and time.
mod answer;
mod call;
mod conference;
mod device;
mod host;
mod inbound;
mod line;
mod media;
mod outbound;
mod pager;
mod pipe;
mod receive;
mod registration;
mod relay;
mod relay_line;
mod retrieval;
mod send;
mod source;
mod spool;
mod standing;
mod state;
mod subscription;

pub use conference::Conference;
pub use device::{Device, DeviceConfig, Incoming, Summaries};
pub use host::Host;
pub use relay_line::RelayLine;
pub use retrieval::DeferredLine;
