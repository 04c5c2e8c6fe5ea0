//! SIP messages on the wire: a zero-copy parser, a serialiser and typed views of the headers.
//!
//! [`Message::parse`] reads a datagram, [`Framer`] cuts a stream; both only index where things
//! are (RFC 3261 §7, §18.3). [`validate`] then checks the grammar, so that a bad request whose
//! structure is readable can still be answered. [`Builder`] writes messages. What is not
//! understood, be it a method, a header or a body, passes through byte for byte.

mod builder;
mod contact;
mod cseq;
mod edit;
mod error;
mod framer;
mod host;
mod index;
mod inspect;
mod lex;
mod limits;
mod media_type;
mod message;
mod method;
mod model;
mod name;
mod name_addr;
mod params;
mod salvage;
mod status;
mod tel_uri;
mod typed_headers;
mod uri;
mod validate;
mod via;
mod writer;

pub use builder::Builder;
pub use contact::Contacts;
pub use cseq::CSeq;
pub use error::{HeaderError, ParseError, SyntaxError};
pub use framer::{Framed, Framer};
pub use host::Host;
pub use inspect::{Capabilities, Unsupported};
pub use limits::Limits;
pub use media_type::MediaType;
pub use message::Message;
pub use method::Method;
pub use model::Ordinary;
pub use name::Name;
pub use name_addr::NameAddr;
pub use params::Params;
pub use status::reason;
pub use tel_uri::TelUri;
pub use uri::{SipUri, Uri};
pub use validate::{Invalid, validate};
pub use via::Via;

use index::ContentLength;
