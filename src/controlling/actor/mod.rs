//! The groups, kept in the store and reached from any thread, and the actor that ends those of
//! users in time.
mod cache;
mod groups;
mod opening;
mod registry;
#[cfg(test)]
mod tests;
mod timer;
mod writing;

pub use groups::{GroupChanged, Groups};
pub use timer::GroupTimer;
