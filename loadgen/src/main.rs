//! `loadgen`: drives many concurrent clients against a Restante server and keeps a ledger.
mod content;
mod figures;
mod ledger;

fn main() {}
