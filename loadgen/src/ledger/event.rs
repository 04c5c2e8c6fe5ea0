//! What is noted in the book, as lines of a file: a book that is written down line by line is the
//! book that is made again from the lines.
use super::{Acknowledged, Delivery, Ledger};
use crate::octets::Digest;
use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

/// One thing noted. Times are counted from the run's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message is on its way, for the first time or again.
    Sent {
        /// Its number.
        number: u64,
        /// Digest of its content.
        digest: Digest,
        /// When it was due.
        due: Duration,
    },
    /// Its sender was told that it is safe.
    Acknowledged {
        /// Its number.
        number: u64,
        /// What the sender was told.
        how: Acknowledged,
        /// When.
        at: Duration,
    },
    /// Its sender was refused, or got no answer.
    Refused {
        /// Its number.
        number: u64,
        /// What was said, or what broke.
        why: Cow<'a, str>,
    },
    /// Somebody received something.
    Delivered {
        /// The message id it came under.
        message_id: Cow<'a, str>,
        /// The user named as its sender.
        sender: Option<usize>,
        /// Who received it.
        receiver: usize,
        /// Digest of what came.
        digest: Digest,
        /// When.
        at: Duration,
    },
    /// The server broke.
    Broke(Duration),
    /// A receiver could not log in.
    Absent(usize),
    /// A receiver is logged in.
    Present(usize),
    /// All receivers had the chance to get everything.
    Retrieved,
}

/// A line that is no event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no line of a ledger")]
pub struct EventError(String);

impl Ledger {
    /// Notes what was written down.
    pub fn apply(&mut self, event: &Event<'_>) {
        match event {
            Event::Sent {
                number,
                digest,
                due,
            } => {
                // a number beyond the plan would have no message
                if self.plan.number(&self.plan.message_id(*number)).is_some() {
                    let message = self.plan.message(*number);
                    self.sent(&message, *digest, *due);
                }
            }
            Event::Acknowledged { number, how, at } => self.acknowledged(*number, *how, *at),
            Event::Refused { number, why } => self.refused(*number, why.as_ref()),
            Event::Delivered {
                message_id,
                sender,
                receiver,
                digest,
                at,
            } => {
                let delivery = Delivery {
                    message_id,
                    sender: *sender,
                    receiver: *receiver,
                    digest: *digest,
                };
                self.delivered(&delivery, *at);
            }
            Event::Broke(at) => self.broke(*at),
            Event::Absent(receiver) => self.absent(*receiver),
            Event::Present(receiver) => self.present(*receiver),
            Event::Retrieved => self.retrieved(),
        }
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                number,
                digest,
                due,
            } => write!(out, "sent {number} {} {}", micros(due), Hex(digest)),
            Self::Acknowledged { number, how, at } => {
                let how = match how {
                    Acknowledged::Stored => "stored",
                    Acknowledged::Delivered => "delivered",
                };
                write!(out, "acknowledged {number} {} {how}", micros(at))
            }
            Self::Refused { number, why } => {
                write!(out, "refused {number} {}", why.replace(['\r', '\n'], " "))
            }
            Self::Delivered {
                message_id,
                sender,
                receiver,
                digest,
                at,
            } => {
                let message_id = message_id.replace(char::is_whitespace, "_");
                write!(out, "delivered {message_id} {} {receiver} ", micros(at))?;
                match sender {
                    Some(sender) => write!(out, "{sender} {}", Hex(digest)),
                    None => write!(out, "- {}", Hex(digest)),
                }
            }
            Self::Broke(at) => write!(out, "broke {}", micros(at)),
            Self::Absent(receiver) => write!(out, "absent {receiver}"),
            Self::Present(receiver) => write!(out, "present {receiver}"),
            Self::Retrieved => write!(out, "retrieved -"),
        }
    }
}

impl FromStr for Event<'static> {
    type Err = EventError;

    fn from_str(line: &str) -> Result<Self, EventError> {
        parsed(line).ok_or_else(|| EventError(line.to_owned()))
    }
}

fn parsed(line: &str) -> Option<Event<'static>> {
    let (kind, rest) = line.split_once(' ')?;
    let mut words = rest.split(' ');
    let event = match kind {
        "sent" => Event::Sent {
            number: words.next()?.parse().ok()?,
            due: time(words.next()?)?,
            digest: digest(words.next()?)?,
        },
        "acknowledged" => Event::Acknowledged {
            number: words.next()?.parse().ok()?,
            at: time(words.next()?)?,
            how: match words.next()? {
                "stored" => Acknowledged::Stored,
                "delivered" => Acknowledged::Delivered,
                _ => return None,
            },
        },
        "refused" => {
            let (number, why) = rest.split_once(' ')?;
            return Some(Event::Refused {
                number: number.parse().ok()?,
                why: Cow::Owned(why.to_owned()),
            });
        }
        "delivered" => Event::Delivered {
            message_id: Cow::Owned(words.next()?.to_owned()),
            at: time(words.next()?)?,
            receiver: words.next()?.parse().ok()?,
            sender: match words.next()? {
                "-" => None,
                sender => Some(sender.parse().ok()?),
            },
            digest: digest(words.next()?)?,
        },
        "broke" => Event::Broke(time(words.next()?)?),
        "absent" => Event::Absent(words.next()?.parse().ok()?),
        "present" => Event::Present(words.next()?.parse().ok()?),
        "retrieved" if words.next()? == "-" => Event::Retrieved,
        _ => return None,
    };
    words.next().is_none().then_some(event)
}

fn micros(time: &Duration) -> u128 {
    time.as_micros()
}

fn time(word: &str) -> Option<Duration> {
    word.parse().ok().map(Duration::from_micros)
}

/// Digests are written as hexadecimal digits.
struct Hex<'a>(&'a Digest);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

fn digest(word: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if word.len() != 2 * digest.len() || !word.is_ascii() {
        return None;
    }
    for (octet, digits) in digest.iter_mut().zip(word.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Part, Plan, Sizes};

    const AT: Duration = Duration::from_micros(1_234_567);

    fn events() -> Vec<Event<'static>> {
        let plan = Plan::of(1, Part::apart(1, 1, 10, Sizes::between(9, 9)));
        let digest = crate::octets::digest(&plan.content(&plan.message(0)));
        let delivered = |message_id: String, sender| Event::Delivered {
            message_id: message_id.into(),
            sender,
            receiver: 1,
            digest,
            at: AT,
        };
        vec![
            Event::Sent {
                number: 0,
                digest,
                due: AT,
            },
            Event::Refused {
                number: 0,
                why: "503 Service Unavailable".into(),
            },
            Event::Acknowledged {
                number: 0,
                how: Acknowledged::Stored,
                at: AT,
            },
            Event::Absent(1),
            Event::Present(1),
            Event::Broke(AT),
            delivered(plan.message_id(0), Some(0)),
            delivered("imdn-17".to_owned(), None),
            Event::Retrieved,
        ]
    }

    #[test]
    fn written_events_are_read_back_the_same() {
        for event in events() {
            let line = event.to_string();
            assert_eq!(line.parse(), Ok(event), "{line}");
        }
    }

    #[test]
    fn applied_events_make_the_book() {
        let plan = Plan::of(1, Part::apart(1, 1, 10, Sizes::between(9, 9)));
        let mut ledger = Ledger::new(plan);
        for event in events() {
            ledger.apply(&event);
        }
        let verdict = ledger.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.sent, verdict.stored, verdict.delivered), (1, 1, 1));
        assert_eq!((verdict.foreign, ledger.latest()), (1, AT));
        assert!(ledger.is_retrieved());
        let entry = ledger.entry(0).unwrap();
        assert_eq!(entry.refused.as_deref(), Some("503 Service Unavailable"));
    }

    #[test]
    fn garbage_is_no_event_and_a_number_beyond_the_plan_is_nothing() {
        for line in [
            "",
            "sent",
            "sent x 1 2",
            "sent 1 2 abc",
            "sent 1 2",
            "broke",
            "broke 1 2",
            "lost 3",
            "acknowledged 1 2 thrown",
            "delivered lg-1 2 3 - zz",
        ] {
            assert!(line.parse::<Event>().is_err(), "{line}");
        }
        let mut ledger = Ledger::new(Plan::of(1, Part::apart(1, 1, 1, Sizes::between(9, 9))));
        let beyond = format!("sent 7777777777777 1 {}", "00".repeat(32));
        ledger.apply(&beyond.parse().unwrap());
        assert_eq!(ledger.verdict().sent, 0);
    }
}
