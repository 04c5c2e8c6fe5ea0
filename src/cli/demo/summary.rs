//! What the demo comes to: octets, times, memory.
use bytesize::ByteSize;
use std::{fmt, time::Duration};

/// What the server may need above its idle size, however large the message.
pub(super) const MEMORY_LIMIT: u64 = 64 * 1024 * 1024;

/// What the demo comes to.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub message_id: String,
    pub size: u64,
    pub sent_sha256: String,
    pub received_sha256: String,
    pub received_size: u64,
    /// From Alice's first octet to her 200.
    pub sending: Duration,
    /// From her 200 to the death of the server.
    pub death_after: Duration,
    /// From the start of the second life to its ready line.
    pub recovery: Duration,
    /// From Bob's login to his last octet.
    pub receiving: Duration,
    pub lives: [Memory; 2],
}

/// The resident memory of one life of the server, in octets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub idle: u64,
    pub peak: u64,
}

impl Memory {
    /// What the work took on top of the idle process.
    pub(super) fn above_idle(self) -> u64 {
        self.peak.saturating_sub(self.idle)
    }
}

impl Summary {
    /// Whether Bob has what Alice sent, octet by octet.
    pub(super) fn is_equal(&self) -> bool {
        self.size == self.received_size && self.sent_sha256 == self.received_sha256
    }

    fn rate(&self, took: Duration) -> String {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        #[expect(clippy::cast_sign_loss, reason = "a rate for people")]
        let per_second = (self.size as f64 / took.as_secs_f64().max(1e-6)) as u64;
        format!(
            "{} in {}, {}/s",
            ByteSize::b(self.size),
            time(took),
            ByteSize::b(per_second)
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_equal() {
            "equal"
        } else {
            "DIFFERENT"
        };
        writeln!(f, "  message    {}", self.message_id)?;
        writeln!(f, "  Alice      {}, then 200", self.rate(self.sending))?;
        writeln!(
            f,
            "  SIGKILL    gone {} after her 200",
            time(self.death_after)
        )?;
        writeln!(
            f,
            "  recovery   {} from start to ready",
            time(self.recovery)
        )?;
        writeln!(f, "  Bob        {}", self.rate(self.receiving))?;
        for (memory, name) in self.lives.iter().zip(["before", "after"]) {
            let kept = if memory.above_idle() < MEMORY_LIMIT {
                ""
            } else {
                " EXCEEDED"
            };
            writeln!(
                f,
                "  memory     {name:<6} the kill: idle {}, peak {}, {} above idle (limit {}{kept})",
                ByteSize::b(memory.idle),
                ByteSize::b(memory.peak),
                ByteSize::b(memory.above_idle()),
                ByteSize::b(MEMORY_LIMIT),
            )?;
        }
        writeln!(f, "  SHA-256    sent     {}", self.sent_sha256)?;
        writeln!(f, "             received {}", self.received_sha256)?;
        write!(f, "  octets     {verdict}")
    }
}

fn time(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        format!("{:.1} ms", took.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mebi = 1 << 20;
        Summary {
            message_id: "id".into(),
            size: 5 * mebi,
            sent_sha256: "aa".into(),
            received_sha256: "aa".into(),
            received_size: 5 * mebi,
            sending: Duration::from_millis(500),
            death_after: Duration::from_micros(300),
            recovery: Duration::from_millis(80),
            receiving: Duration::from_secs(2),
            lives: [
                Memory {
                    idle: 10 * mebi,
                    peak: 30 * mebi,
                },
                Memory {
                    idle: 10 * mebi,
                    peak: 90 * mebi,
                },
            ],
        }
    }

    #[test]
    fn summary_tells_rates_times_and_memory() {
        let text = summary().to_string();
        for part in [
            "10.0 MiB/s",
            "gone 0.3 ms after",
            "20.0 MiB above idle",
            "equal",
        ] {
            assert!(text.contains(part), "{part} missing in {text}");
        }
        assert_eq!(text.matches("EXCEEDED").count(), 1, "{text}");
    }

    #[test]
    fn other_hash_or_size_is_no_success() {
        let mut other = summary();
        other.received_sha256 = "bb".into();
        assert!(!other.is_equal());
        assert!(other.to_string().contains("DIFFERENT"));
        let mut shorter = summary();
        shorter.received_size -= 1;
        assert!(!shorter.is_equal());
    }
}
