//! Pure decisions: allow, refuse, defer, limit.
