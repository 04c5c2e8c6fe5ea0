//! What operators deploy: the files under `examples/deploy`, and how the server gets on with the
//! service manager that runs it.
mod harness;

#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/supervisor.rs"]
mod supervisor;
