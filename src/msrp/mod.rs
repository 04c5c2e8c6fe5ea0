//! MSRP: frames, paths, sessions, and the actors that run them (RFC 4975).
//!
//! `codec`, `head` and `encoding` are the wire (§5.1, §9); `uri` and `path` the addresses (§6);
//! `chunker` and `assembly` take a message apart and put it together again (§5.1, §7.3.1);
//! `report`, `session` and `hop` know what neighbours owe each other (§5.3, §5.4, §7).
//! `nickname` is how a participant of a chat room asks to be called (RFC 7701 §7); `relay` is who
//! may have a URI here (RFC 4976).
//! All of them are functions of their arguments. Sockets and timers are met in `actor`: one
//! actor per connection, which owns the stream and the sessions on it, and a relay that joins
//! two sessions.

pub mod actor;
pub mod assembly;
pub mod byte_range;
pub mod chunker;
pub mod codec;
pub mod encoding;
pub mod end_lines;
pub mod head;
pub mod hop;
pub mod metrics;
pub mod nickname;
pub mod path;
pub mod relay;
pub mod report;
pub mod session;
pub mod uri;

mod body;
mod config;
mod error;
mod head_builder;
mod lines;
mod start_line;
mod tally;
mod whole;

pub use assembly::{Assembly, AssemblyError, Buffer, Progress};
pub use body::MAX_OTHER_BODY;
pub use byte_range::ByteRange;
pub use chunker::{Chunk, Outgoing, OutgoingHead};
pub use codec::{Continuation, Decoder, Frame};
pub use config::{Config, SessionMatch, Tls};
pub use encoding::encode;
pub use error::{BadRequest, DecodeError, HeaderError};
pub use head::Head;
pub use head_builder::HeadBuilder;
pub use path::Path;
pub use report::{FailureReport, Status};
pub use session::{ChunkToken, OutgoingId};
pub use start_line::{Kind, Method};
pub use uri::Uri;
pub use whole::{WHOLE_BELOW, Whole};
