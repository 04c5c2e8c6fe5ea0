//! The load generator.
#![allow(dead_code, reason = "the scenarios are to come")]
mod args;
mod book;
mod latency;
mod ledger;
mod limits;
mod octets;
mod plan;
mod progress;
mod report;
mod server;
mod users;

fn main() {}
