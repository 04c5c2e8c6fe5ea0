//! Typed keyspaces over fjall or memory, with one writer thread and group commit.
