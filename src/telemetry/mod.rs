//! Logs and spans (`tracing`), figures (`metrics`, in Prometheus' text form), and the trace of the
//! wire for a file and for a Homer collector.
//!
//! Rooms register their own metrics with the recorder in force; this room installs it, gives the
//! histograms their buckets and adds what only the process knows about itself.
pub mod hep;
mod log;
mod memory;
pub mod otlp;
mod own;
mod process;
mod recorder;
pub mod trace;

pub use log::{Config, Format, LogError, Telemetry, init};
pub use memory::{available_memory, resident_memory};
pub use process::{ProcessFigures, figures_of};
pub use recorder::{Recorder, RecorderError};
