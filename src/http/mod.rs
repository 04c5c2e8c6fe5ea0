//! The HTTP port: health, metrics and the admin API, with thin handlers over the functions.
mod config;

pub use config::Config;
