//! The machine on which a run was made, for whoever compares figures.
use serde::{Deserialize, Serialize};
use std::{fs, thread};

/// The machine of the load generator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Its processor.
    pub cpu: String,
    /// Cores that we may use.
    pub cores: usize,
    /// Its memory, in octets.
    pub memory_bytes: u64,
    /// Its kernel.
    pub kernel: String,
    /// Its operating system.
    pub system: String,
    /// The load generator's version, and how it was built.
    pub loadgen: String,
    /// The server's version, where it told it.
    pub server: Option<String>,
}

impl Machine {
    /// This machine; `server` is the version that the server told.
    pub fn here(server: Option<String>) -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let profile = match cfg!(debug_assertions) {
            true => "debug build: its figures say nothing",
            false => "release build",
        };
        Self {
            cpu: value_of(&text("/proc/cpuinfo"), "model name", ':'),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: octets(&value_of(&text("/proc/meminfo"), "MemTotal", ':')),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: value_of(&text("/etc/os-release"), "PRETTY_NAME", '='),
            loadgen: format!("{} ({profile})", env!("CARGO_PKG_VERSION")),
            server,
        }
    }
}

/// The value behind the first line that begins with `key`; nothing if there is none.
fn value_of(text: &str, key: &str, separator: char) -> String {
    let lines = text.lines().filter(|line| line.starts_with(key));
    let mut values = lines.filter_map(|line| Some(line.split_once(separator)?.1));
    let value = values.next().unwrap_or_default();
    value.trim().trim_matches('"').to_owned()
}

/// `16384 kB` gives the octets.
fn octets(text: &str) -> u64 {
    let number = text.strip_suffix("kB").map(str::trim);
    number
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |number| number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_memory_and_a_kernel() {
        let machine = Machine::here(Some("1.2.3".to_owned()));
        assert!(machine.cores > 0 && machine.memory_bytes > 0, "{machine:?}");
        assert!(!machine.kernel.is_empty(), "{machine:?}");
        assert!(machine.loadgen.contains("build"), "{machine:?}");
    }

    #[test]
    fn first_of_several_values_counts() {
        let text = "processor\t: 0\nmodel name\t: Some CPU: fast\nmodel name\t: Other\n";
        assert_eq!(value_of(text, "model name", ':'), "Some CPU: fast");
        assert_eq!(
            value_of("A=1\nPRETTY_NAME=\"Debian 12\"\n", "PRETTY_NAME", '='),
            "Debian 12"
        );
        assert_eq!(value_of(text, "bogus", ':'), "");
        assert_eq!((octets("16 kB"), octets("16 MB")), (16_384, 0));
    }
}
