//! Logs and the metrics recorder.
