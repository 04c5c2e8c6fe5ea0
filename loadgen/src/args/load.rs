//! How much of what.
use super::time;
use crate::{
    pace::{Pace, Rate},
    plan::{PART_SPAN, Part, Pattern, Sizes},
    scenario::Scenario,
};
use clap::{Args, ValueEnum};
use std::{str::FromStr, time::Duration};

/// Clients at work at the same time in a closed loop.
const CLOSED: u32 = 500;
/// Requests under way at the same time in an open loop.
const OPEN: u32 = 10_000;
/// How often a message is sent again in a closed loop.
const RETRIES: u32 = 3;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// By its size: SIP MESSAGE where it fits, a channel otherwise.
    Auto,
    /// As one SIP MESSAGE.
    Pager,
    /// Over an MSRP channel.
    Channel,
}

impl Mode {
    /// The mode's name, as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Pager => "pager",
            Self::Channel => "channel",
        }
    }
}

/// Where groups come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Groups {
    /// An operator makes them, by the admin API.
    Configured,
    /// A member makes each by calling the others together.
    AdHoc,
}

/// Who comes and goes while messages travel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Churn {
    /// This share of the receivers: each logs in for a few seconds, out for a few, and so on.
    Share(f64),
    /// So many logins a second, of one receiver after the other; each stays a few seconds.
    Rate(Rate),
}

/// `10%`, or `50/s`.
impl FromStr for Churn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(share) = text.trim().strip_suffix('%') else {
            return match text.contains('/') {
                true => text.parse().map(Self::Rate),
                false => Err(format!(
                    "`{text}` is no share such as 10% and no rate such as 50/s"
                )),
            };
        };
        match share.trim().parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 100.0 => Ok(Self::Share(share / 100.0)),
            _ => Err(format!("`{text}` is no share such as 10%")),
        }
    }
}

/// How much of what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// Users in all, senders and receivers together
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub users: u32,
    /// How many of them receive, and are offline while the others send [default: half of them, or
    /// of each group]
    #[arg(long, value_name = "M")]
    pub offline: Option<u32>,
    /// Messages in all; senders take turns, receivers are drawn by the seed
    #[arg(
        long,
        value_name = "N",
        visible_alias = "requests",
        default_value_t = 1000
    )]
    pub messages: u64,
    /// Send so long, however many messages that makes, instead of --messages
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub duration: Option<Duration>,
    /// Size of a message [default: 2KiB, 200B by SIP MESSAGE]; a range such as 1KiB..64KiB (each order of
    /// magnitude equally often), or shares such as 80%:200B,15%:2KiB,5%:1MiB
    #[arg(long, value_name = "SIZE")]
    pub size: Option<Sizes>,
    /// How messages travel [default: channel; pager where that is the scenario]
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
    /// Clients at work at the same time; each waits for its answer before it goes on. With --rate:
    /// requests under way at the same time, at most [default: 500, with --rate 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: Option<u32>,
    /// Requests by schedule, such as 5000/s, whatever became of those before. Latencies count from
    /// the moment a request was due, so one that had to wait for a slow server says so
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// How long it takes until all clients are at work, or the rate is reached
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
    pub ramp_up: Duration,
    /// Receivers who log in and out while messages travel: a share such as 10%, or a rate of logins
    /// such as 50/s
    #[arg(long, value_name = "SHARE|RATE")]
    pub churn: Option<Churn>,
    /// Members of one group
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub group_size: u32,
    /// Where groups come from
    #[arg(long, value_enum, default_value_t = Groups::Configured)]
    pub groups: Groups,
    /// Times a message is sent again when it was refused for the moment, or no answer came [default:
    /// 3; with --rate 0; with --kill-server-every as often as --patience lasts]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// How long an answer may take [default: 60s; with --kill-server-every 15s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub timeout: Option<Duration>,
    /// Time without any delivery after which what is still outstanding counts as lost
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    pub patience: Duration,
}

impl Load {
    /// What is sent, to whom, in `scenario`.
    ///
    /// Errors: a sentence for the user if nobody is left to send or to receive.
    pub fn part(&self, scenario: Scenario) -> Result<Part, String> {
        let sizes = self
            .size
            .clone()
            .unwrap_or_else(|| match self.mode(scenario) {
                Mode::Pager => Sizes::between(200, 200),
                Mode::Auto | Mode::Channel => Sizes::between(2048, 2048),
            });
        let messages = match self.duration {
            Some(_) => PART_SPAN - 1,
            None if self.messages < PART_SPAN => self.messages,
            None => return Err(format!("--messages {}: at most {PART_SPAN}", self.messages)),
        };
        match scenario {
            Scenario::OfflineSend | Scenario::Retrieve | Scenario::SendAndRetrieve => {
                let (senders, receivers) = self.apart()?;
                Ok(Part::apart(senders, receivers, messages, sizes))
            }
            Scenario::Pager | Scenario::Register => Ok(Part {
                senders: self.users as usize,
                receivers: self.users as usize,
                messages: if scenario == Scenario::Pager {
                    messages
                } else {
                    0
                },
                sizes,
                pattern: Pattern::Mutual,
            }),
            Scenario::Group => self.grouped(messages, sizes),
        }
    }

    fn apart(&self) -> Result<(usize, usize), String> {
        let offline = self.offline.unwrap_or(self.users / 2);
        if offline == 0 || offline >= self.users {
            let advice = "at least one user has to receive and one to send";
            return Err(format!(
                "--offline {offline} of --users {}: {advice}",
                self.users
            ));
        }
        Ok(((self.users - offline) as usize, offline as usize))
    }

    fn grouped(&self, messages: u64, sizes: Sizes) -> Result<Part, String> {
        let (users, size) = (self.users as usize, self.group_size as usize);
        let groups = users / size;
        if groups == 0 {
            return Err(format!(
                "--users {users} make no group of --group-size {size}"
            ));
        }
        let offline = match self.offline {
            Some(offline) => (offline as usize).div_ceil(groups),
            None => size / 2,
        };
        if offline >= size {
            let advice = "at least one member of each group has to send";
            return Err(format!(
                "--offline {offline} of --group-size {size}: {advice}"
            ));
        }
        let online = size - offline;
        Ok(Part {
            senders: groups * online,
            receivers: groups * size,
            messages,
            sizes,
            pattern: Pattern::Groups { size, online },
        })
    }

    /// How messages travel in `scenario`.
    pub fn mode(&self, scenario: Scenario) -> Mode {
        self.mode.unwrap_or(match scenario {
            Scenario::Pager => Mode::Pager,
            _ => Mode::Channel,
        })
    }

    /// When requests are made by each of `threads`.
    pub fn pace(&self, threads: usize) -> Pace {
        let usual = if self.rate.is_some() { OPEN } else { CLOSED };
        let all = self.concurrency.unwrap_or(usual) as usize;
        Pace {
            rate: self.rate,
            ramp_up: self.ramp_up,
            lasts: self.duration,
            window: all.div_ceil(threads.max(1)),
        }
    }

    /// How often a message is sent again; `None`: until patience ends.
    pub fn retries(&self, is_killed: bool) -> Option<u32> {
        match (self.retries, is_killed, self.rate) {
            (Some(retries), ..) => Some(retries),
            (None, true, _) => None,
            (None, false, Some(_)) => Some(0),
            (None, false, None) => Some(RETRIES),
        }
    }

    /// How long an answer may take.
    pub fn timeout(&self, is_killed: bool) -> Duration {
        let usual = if is_killed { 15 } else { 60 };
        self.timeout.unwrap_or(Duration::from_secs(usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: Load,
    }

    fn load(line: &str) -> Load {
        Line::try_parse_from(line.split(' ')).unwrap().load
    }

    #[test]
    fn load_without_sender_or_receiver_is_refused() {
        for offline in [0, 10, 11] {
            let load = load(&format!("x --users 10 --offline {offline}"));
            let refused = load.part(Scenario::OfflineSend).unwrap_err();
            assert!(refused.contains("--offline"), "{refused}");
        }
        assert!(Line::try_parse_from(["x", "--users", "1"]).is_err());
        let refused = load("x --users 9").part(Scenario::Group).unwrap_err();
        assert!(refused.contains("--group-size 10"), "{refused}");
    }

    #[test]
    fn half_of_each_group_is_offline_unless_said_otherwise() {
        let part = load("x --users 45").part(Scenario::Group).unwrap();
        assert_eq!((part.groups(), part.turns(), part.users()), (4, 20, 40));
        let part = load("x --users 40 --offline 4")
            .part(Scenario::Group)
            .unwrap();
        assert_eq!(
            part.pattern,
            Pattern::Groups {
                size: 10,
                online: 9
            }
        );
    }

    #[test]
    fn open_loop_repeats_nothing_and_kills_make_senders_stubborn() {
        assert_eq!(load("x").retries(false), Some(3));
        assert_eq!(load("x --rate 5/s").retries(false), Some(0));
        assert_eq!(load("x --rate 5/s --retries 2").retries(false), Some(2));
        assert_eq!(load("x").retries(true), None);
        assert_eq!(load("x --rate 5/s").pace(2).window, 5000);
        assert_eq!(load("x").pace(1).window, 500);
    }

    #[test]
    fn churn_is_a_share_or_a_rate() {
        assert_eq!("10%".parse(), Ok(Churn::Share(0.1)));
        assert_eq!("50/s".parse(), Ok(Churn::Rate("50/s".parse().unwrap())));
        for text in ["0%", "101%", "10", "x/s"] {
            assert!(text.parse::<Churn>().is_err(), "{text}");
        }
    }
}
