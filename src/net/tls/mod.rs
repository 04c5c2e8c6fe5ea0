//! TLS below the streams (RFC 8446, RFC 5246): whose certificate we show, whom we believe, and
//! the session that turns what a socket carries into octets and back.
//!
//! A session has no task and no buffer of its own: the stream that owns it reads and writes the
//! socket, as it does without TLS.

mod credentials;
mod fingerprint;
mod peer;
mod session;
mod steps;
mod verify;

pub use credentials::{Credentials, Files, TlsError};
pub use fingerprint::{Fingerprint, NoFingerprint};
pub use peer::Peer;
pub(super) use session::Session;
pub(super) use steps::Sealed;

/// Whether a connection was not made because of the certificate that its other end showed.
pub fn is_unbelieved(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// Who must be at the other end of a connection we make.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Whoever shows a certificate for this host name or address from an issuer we trust.
    Host(String),
    /// Whoever shows the certificate with one of these fingerprints, whoever issued it
    /// (RFC 4975 §14.4, RFC 8122 §6.2).
    Fingerprints(Vec<Fingerprint>),
}
