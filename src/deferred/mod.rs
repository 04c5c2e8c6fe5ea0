//! The deferred-messaging function: queue, quota, expiry, retrieval. Knows no transport.
