//! The memory this process has, and the memory it could have.
use super::process::kibibytes;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Resident memory of this process, in octets; cheap enough to be asked several times a second.
/// `None` without `/proc`.
pub fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "VmRSS:")
}

/// The memory this process could have, in octets: that of the machine, or less where a control
/// group it is in says so. Without bound where nothing is known.
pub fn available_memory() -> u64 {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let bounds = bound_files(&groups).into_iter();
    let bounds = bounds.filter_map(|path| read(&path)?.trim().parse().ok());
    bounds.chain(machine).min().unwrap_or(u64::MAX)
}

/// `MemTotal:  1234 kB` gives the octets.
fn total(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemTotal:")
}

/// Where the bounds of the control groups stand, from the group of this process up to the root;
/// `cgroup` is what `/proc/self/cgroup` says, of version 2 (`0::/a/b`) or 1 (`7:memory:/a/b`).
fn bound_files(cgroup: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            one if one.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let above = Path::new(group).ancestors();
        let folders = above.map(|group| group.strip_prefix("/").unwrap_or(group));
        files.extend(folders.map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_has_memory_and_could_have_more() {
        let resident = resident_memory().unwrap();
        assert!(resident > 100 * 1024, "{resident}");
        assert!(available_memory() > resident);
    }

    #[test]
    fn bounds_of_all_groups_above_count_in_both_versions() {
        let files = |text| -> Vec<String> {
            let files = bound_files(text).into_iter();
            files.map(|path| path.display().to_string()).collect()
        };
        assert_eq!(
            files("0::/system.slice/restante.service\n"),
            [
                "/sys/fs/cgroup/system.slice/restante.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(
            files("5:cpu:/a\n4:memory,hugetlb:/a\n"),
            [
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
        assert_eq!(total("MemFree: 1 kB\nMemTotal:   16 kB\n"), Some(16 * 1024));
    }
}
