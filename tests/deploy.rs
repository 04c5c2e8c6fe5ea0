//! What operators deploy: the files under `examples/deploy`, how the server gets on with the
//! service manager that runs it, and how it ends.
mod harness;

#[path = "deploy/draining.rs"]
mod draining;
#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/supervisor.rs"]
mod supervisor;
