//! The client device: login, send, receive, retrieve.
