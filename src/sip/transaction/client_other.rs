use super::{
    step::{Misplaced, News, Outgoing, Step},
    timers::Timers,
};
use std::time::{Duration, Instant};

/// The client transaction of every method but INVITE and ACK (RFC 3261 figure 6).
///
/// ```text
///                      | request sent
///   Timer E: again  +--v-------+  Timer F or transport error: told
///        +----------|  Trying  |----------------------------+
///        +--------->|          |------------+               |
///                   +----------+  200-699   |               |
///                      | 1xx      told      |               |
///                      v told               v               |
///   Timer E,        +------------+      +-----------+       |
///   again     +-----| Proceeding |----->| Completed |       |
///   1xx told  +---->|            | 200- +-----------+       |
///                   +------------+ 699       | Timer K      |
///                      |           told      v              |
///                      |               +------------+       |
///                      +-------------->| Terminated |<------+
///         Timer F or transport error   +------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOther {
    /// No response yet.
    Trying {
        /// Timer E; none on reliable transports.
        retransmit: Option<Instant>,
        /// The value timer E was last set to.
        interval: Duration,
        /// Timer F.
        give_up: Instant,
    },
    /// A provisional response came: retransmission goes on every T2.
    Proceeding {
        /// Timer E; none on reliable transports.
        retransmit: Option<Instant>,
        /// Timer F.
        give_up: Instant,
    },
    /// A final response came.
    Completed {
        /// Timer K.
        end: Instant,
    },
    /// Over: the table forgets it.
    Terminated,
}

impl ClientOther {
    /// Starts with the request on its way.
    pub fn start(timers: &Timers, reliable: bool, now: Instant) -> (Self, Step) {
        let trying = Self::Trying {
            retransmit: (!reliable).then(|| now + timers.t1),
            interval: timers.t1,
            give_up: now + timers.give_up(),
        };
        (trying, Step::send(Outgoing::Request))
    }

    /// A response with `code` arrived.
    pub fn handle_response(
        &mut self,
        code: u16,
        timers: &Timers,
        reliable: bool,
        now: Instant,
    ) -> Result<Step, Misplaced> {
        match (*self, code) {
            (
                Self::Trying {
                    retransmit,
                    give_up,
                    ..
                },
                100..=199,
            ) => {
                *self = Self::Proceeding {
                    retransmit: retransmit.map(|_| now + timers.t2),
                    give_up,
                };
                Ok(Step::tell(News::Response))
            }
            (Self::Proceeding { .. }, 100..=199) => Ok(Step::tell(News::Response)),
            (Self::Trying { .. } | Self::Proceeding { .. }, 200..=699) => {
                *self = match timers.k(reliable) {
                    Duration::ZERO => Self::Terminated,
                    wait => Self::Completed { end: now + wait },
                };
                Ok(Step::tell(News::Response))
            }
            // repeated responses are what Completed is there to absorb
            (Self::Completed { .. }, 100..=699) => Ok(Step::NOTHING),
            _ => Err(Misplaced),
        }
    }

    /// The transport could not send.
    pub fn handle_transport_error(&mut self) -> Step {
        match self {
            Self::Trying { .. } | Self::Proceeding { .. } => {
                *self = Self::Terminated;
                Step::tell(News::TransportFailed)
            }
            Self::Completed { .. } | Self::Terminated => Step::NOTHING,
        }
    }

    /// Lets every timer due at `now` fire once.
    pub fn handle_timeout(&mut self, timers: &Timers, now: Instant) -> Step {
        match self {
            Self::Trying { give_up, .. } | Self::Proceeding { give_up, .. } if *give_up <= now => {
                *self = Self::Terminated;
                Step::tell(News::TimedOut)
            }
            Self::Trying {
                retransmit: Some(retransmit),
                interval,
                ..
            } if *retransmit <= now => {
                *interval = (*interval * 2).min(timers.t2);
                *retransmit = now + *interval;
                Step::send(Outgoing::Request)
            }
            Self::Proceeding {
                retransmit: Some(retransmit),
                ..
            } if *retransmit <= now => {
                *retransmit = now + timers.t2;
                Step::send(Outgoing::Request)
            }
            Self::Completed { end } if *end <= now => {
                *self = Self::Terminated;
                Step::NOTHING
            }
            _ => Step::NOTHING,
        }
    }

    /// When `handle_timeout` has something to do next.
    pub fn next_timeout(&self) -> Option<Instant> {
        match *self {
            Self::Trying {
                retransmit,
                give_up,
                ..
            }
            | Self::Proceeding {
                retransmit,
                give_up,
            } => Some(retransmit.map_or(give_up, |at| at.min(give_up))),
            Self::Completed { end } => Some(end),
            Self::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: Timers = Timers {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
    };
    const UDP: bool = false;
    const TCP: bool = true;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn retransmissions(machine: &mut ClientOther, start: Instant) -> Vec<u128> {
        let mut sent = Vec::new();
        loop {
            let at = machine.next_timeout().unwrap();
            if machine.handle_timeout(&TIMERS, at) == Step::tell(News::TimedOut) {
                assert_eq!(at - start, ms(32_000));
                return sent;
            }
            sent.push((at - start).as_millis());
        }
    }

    #[test]
    fn request_over_udp_is_repeated_at_most_every_t2_until_timer_f() {
        let start = Instant::now();
        let (mut machine, step) = ClientOther::start(&TIMERS, UDP, start);
        assert_eq!(step, Step::send(Outgoing::Request));
        let sent = retransmissions(&mut machine, start);
        assert_eq!(
            sent,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(machine, ClientOther::Terminated);
    }

    #[test]
    fn after_a_provisional_repetition_goes_on_every_t2() {
        let start = Instant::now();
        let (mut machine, _) = ClientOther::start(&TIMERS, UDP, start);
        let step = machine.handle_response(100, &TIMERS, UDP, start);
        assert_eq!(step, Ok(Step::tell(News::Response)));
        assert_eq!(machine.handle_response(183, &TIMERS, UDP, start), step);
        let sent = retransmissions(&mut machine, start);
        assert_eq!(sent, [4_000, 8_000, 12_000, 16_000, 20_000, 24_000, 28_000]);
    }

    #[test]
    fn request_over_tcp_is_sent_once_and_given_up_by_timer_f() {
        let start = Instant::now();
        let (mut machine, _) = ClientOther::start(&TIMERS, TCP, start);
        assert_eq!(retransmissions(&mut machine, start), [0u128; 0]);
    }

    #[test]
    fn final_response_is_told_once_and_absorbed_until_timer_k() {
        for before in [None, Some(100)] {
            let now = Instant::now();
            let (mut machine, _) = ClientOther::start(&TIMERS, UDP, now);
            if let Some(code) = before {
                machine.handle_response(code, &TIMERS, UDP, now).unwrap();
            }
            let first = machine.handle_response(202, &TIMERS, UDP, now);
            assert_eq!(first, Ok(Step::tell(News::Response)));
            let again = machine.handle_response(202, &TIMERS, UDP, now);
            assert_eq!(again, Ok(Step::NOTHING));
            assert_eq!(machine.handle_transport_error(), Step::NOTHING);
            assert_eq!(machine.next_timeout(), Some(now + TIMERS.t4));
            machine.handle_timeout(&TIMERS, now + TIMERS.t4);
            assert_eq!(machine, ClientOther::Terminated);
            assert_eq!(
                machine.handle_response(202, &TIMERS, UDP, now),
                Err(Misplaced)
            );
        }
    }

    #[test]
    fn final_response_over_tcp_ends_at_once() {
        let now = Instant::now();
        let (mut machine, _) = ClientOther::start(&TIMERS, TCP, now);
        machine.handle_response(200, &TIMERS, TCP, now).unwrap();
        assert_eq!(machine, ClientOther::Terminated);
    }

    #[test]
    fn transport_error_is_told_while_the_answer_is_open() {
        let now = Instant::now();
        for before in [None, Some(100)] {
            let (mut machine, _) = ClientOther::start(&TIMERS, TCP, now);
            if let Some(code) = before {
                machine.handle_response(code, &TIMERS, TCP, now).unwrap();
            }
            assert_eq!(
                machine.handle_transport_error(),
                Step::tell(News::TransportFailed)
            );
            assert_eq!(machine, ClientOther::Terminated);
        }
    }
}
