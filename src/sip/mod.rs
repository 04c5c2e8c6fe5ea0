//! SIP: codec, transactions, dialogs, digest, and the actors that run them (RFC 3261).
