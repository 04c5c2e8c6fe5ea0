//! The configuration file: one table per room, each defined in its room.
