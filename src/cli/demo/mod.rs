//! `restante demo`: a large message to an offline user survives the death of the server.
mod ladder;
mod sight;
mod summary;
