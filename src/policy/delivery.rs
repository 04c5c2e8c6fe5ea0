use super::Config;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// As one SIP MESSAGE request (RFC 3428).
    Pager,
    /// Over an MSRP session.
    Channel,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pager => "pager",
            Self::Channel => "channel",
        })
    }
}

/// What waits for one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages.
    pub count: u64,
    /// Octets of all contents.
    pub octets: u64,
    /// Octets of the largest content.
    pub largest: u64,
}

/// Weighs number and total size of what waits: few and small travel as MESSAGE requests,
/// otherwise a channel is set up.
pub fn choose_mode(waiting: Waiting, config: &Config) -> Mode {
    let is_few = waiting.count <= config.pager_messages;
    let is_small = waiting.octets <= config.pager_total.as_u64()
        && waiting.largest <= config.pager_content.as_u64();
    match is_few && is_small {
        true => Mode::Pager,
        false => Mode::Channel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(count: u64, octets: u64, largest: u64) -> Mode {
        let waiting = Waiting {
            count,
            octets,
            largest,
        };
        choose_mode(waiting, &Config::default())
    }

    #[test]
    fn few_and_small_messages_travel_as_requests() {
        assert_eq!(mode(1, 100, 100), Mode::Pager);
        assert_eq!(mode(5, 3500, 700), Mode::Pager);
    }

    #[test]
    fn many_messages_open_a_channel() {
        assert_eq!(mode(6, 600, 100), Mode::Channel);
    }

    #[test]
    fn one_large_message_opens_a_channel() {
        assert_eq!(mode(1, 701, 701), Mode::Channel);
    }

    #[test]
    fn large_total_opens_a_channel() {
        let config = Config {
            pager_total: bytesize::ByteSize::b(1000),
            ..Config::default()
        };
        let waiting = Waiting {
            count: 3,
            octets: 1001,
            largest: 400,
        };
        assert_eq!(choose_mode(waiting, &config), Mode::Channel);
    }
}
