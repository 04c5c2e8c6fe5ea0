//! Bodies that travel in MESSAGE, SEND or NOTIFY.
//!
//! `cpim` (RFC 3862) wraps a message, `imdn` (RFC 5438) reports what became of it, `is_composing`
//! (RFC 3994) says that one is being typed, `message_summary` (RFC 3842) that some wait,
//! `deferred_list` (OMA SIMPLE IM) which, `resource_list` (RFC 4826, RFC 5364) for whom,
//! `conference_info` (RFC 4575) who is in a conference, `multipart` (RFC 2046) packs several of
//! these into one. Everything here is pure.
pub mod conference_info;
pub mod cpim;
pub mod deferred_list;
mod error;
pub mod imdn;
pub mod is_composing;
pub mod message_summary;
pub mod multipart;
pub mod resource_list;
mod xml;

pub use error::{CpimError, MultipartError, SummaryError, XmlError};
