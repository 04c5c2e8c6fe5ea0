//! MSRP: frames, paths, sessions, and the actors that run them (RFC 4975).
