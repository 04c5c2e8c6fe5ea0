//! How the engine is, at a glance.
use super::{super::Figures, keyspaces::Opened};
use std::path::Path;

/// Looks at the disk of `folder`, and at the engine unless it is being opened again.
pub(super) fn of(folder: &Path, opened: Option<&Opened>) -> Figures {
    let disk = rustix::fs::statvfs(folder).ok();
    let octets = |blocks: u64, size: u64| blocks.saturating_mul(size);
    let figures = Figures {
        free: disk
            .as_ref()
            .map(|disk| octets(disk.f_bavail, disk.f_frsize)),
        disk: disk
            .as_ref()
            .map(|disk| octets(disk.f_blocks, disk.f_frsize)),
        ..Figures::default()
    };
    let Some(opened) = opened else {
        return figures;
    };
    let database = &opened.database;
    Figures {
        space: database.disk_space().unwrap_or(0),
        journal: database.journal_disk_space().unwrap_or(0),
        unsorted: database.write_buffer_size(),
        cached: database.cache_size(),
        compacting: database.active_compactions() as u64,
        compacted: database.compactions_completed() as u64,
        ..figures
    }
}
