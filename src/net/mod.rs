//! Sockets, arbiters and bounded streams.
