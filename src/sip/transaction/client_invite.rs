use super::{
    step::{Misplaced, News, Outgoing, Step},
    timers::Timers,
};
use std::time::{Duration, Instant};

/// The INVITE client transaction (RFC 6026 figure 5, which replaces the one of RFC 3261).
///
/// ```text
///                      | INVITE sent
///   Timer A: again  +--v--------+  Timer B or transport error: told
///        +----------|  Calling  |-------------------------------+
///        +--------->|           |----------+                    |
///                   +-----------+  2xx     |                    |
///     300-699          |     | 1xx  told   |                    |
///     ACK, told        |     | told        |                    |
///   +------------------+     v             |                    |
///   |         1xx   +------------+  2xx    |                    |
///   |         told  | Proceeding |  told   |                    |
///   |          +----|            |---------+                    |
///   |          +--->|            |--- silence: told ------------+
///   |               +------------+         |                    |
///   |     300-699     |                    |                    |
///   |     ACK, told   v                    v                    |
///   |           +-----------+        +----------+               |
///   +---------->| Completed |        | Accepted |--+ 2xx        |
///       300-699 |           |        |          |<-+ told       |
///       ACK  +--|           |        +----------+               |
///            +->+-----------+             | Timer M             |
///          Timer D |  | transport error   v                     |
///                  |  | told        +------------+              |
///                  +--+------------>| Terminated |<-------------+
///                                   +------------+
/// ```
/// The arrow `silence` is RFC 3261 §9.1: an INVITE whose CANCEL brings no final response within
/// 64*T1 counts as over; and what timer C is to proxies, for a user who forgot to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientInvite {
    /// No response yet.
    Calling {
        /// Timer A; none on reliable transports.
        retransmit: Option<Instant>,
        /// The value timer A was last set to.
        interval: Duration,
        /// Timer B.
        give_up: Instant,
    },
    /// A provisional response came.
    Proceeding {
        /// When silence has lasted too long.
        give_up: Instant,
        /// CANCEL is on its way: no provisional response buys time any more.
        cancelled: bool,
    },
    /// A final response other than 2xx came.
    Completed {
        /// Timer D.
        end: Instant,
    },
    /// A 2xx came; others may follow from other branches of a fork.
    Accepted {
        /// Timer M.
        end: Instant,
    },
    /// Over: the table forgets it.
    Terminated,
}

impl ClientInvite {
    /// Starts with the INVITE on its way.
    pub fn start(timers: &Timers, reliable: bool, now: Instant) -> (Self, Step) {
        let calling = Self::Calling {
            retransmit: (!reliable).then(|| now + timers.t1),
            interval: timers.t1,
            give_up: now + timers.give_up(),
        };
        (calling, Step::send(Outgoing::Request))
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
            (Self::Calling { .. }, 100..=199) => {
                let give_up = now + timers.undecided();
                *self = Self::Proceeding {
                    give_up,
                    cancelled: false,
                };
                Ok(Step::tell(News::Response))
            }
            (Self::Proceeding { cancelled, .. }, 100..=199) => {
                if !cancelled {
                    let give_up = now + timers.undecided();
                    *self = Self::Proceeding { give_up, cancelled };
                }
                Ok(Step::tell(News::Response))
            }
            (Self::Calling { .. } | Self::Proceeding { .. }, 200..=299) => {
                *self = Self::Accepted {
                    end: now + timers.give_up(),
                };
                Ok(Step::tell(News::Response))
            }
            (Self::Calling { .. } | Self::Proceeding { .. }, 300..=699) => {
                *self = match timers.d(reliable) {
                    Duration::ZERO => Self::Terminated,
                    wait => Self::Completed { end: now + wait },
                };
                Ok(Step {
                    send: Some(Outgoing::Ack),
                    tell: Some(News::Response),
                })
            }
            (Self::Completed { .. }, 300..=699) => Ok(Step::send(Outgoing::Ack)),
            (Self::Accepted { .. }, 200..=299) => Ok(Step::tell(News::Response)),
            _ => Err(Misplaced),
        }
    }

    /// CANCEL went out: from now on the INVITE has 64*T1 to end.
    pub fn handle_cancelled(&mut self, timers: &Timers, now: Instant) -> Result<(), Misplaced> {
        match self {
            Self::Proceeding { give_up, cancelled } => {
                if !std::mem::replace(cancelled, true) {
                    *give_up = now + timers.give_up();
                }
                Ok(())
            }
            _ => Err(Misplaced),
        }
    }

    /// The transport could not send.
    pub fn handle_transport_error(&mut self) -> Step {
        match self {
            // with a provisional at hand a 2xx may still come; RFC 3261 has no arrow here, but a
            // lost connection brings nothing more
            Self::Calling { .. } | Self::Proceeding { .. } | Self::Completed { .. } => {
                *self = Self::Terminated;
                Step::tell(News::TransportFailed)
            }
            Self::Accepted { .. } | Self::Terminated => Step::NOTHING,
        }
    }

    /// Lets every timer due at `now` fire once.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match self {
            Self::Calling { give_up, .. } | Self::Proceeding { give_up, .. } if *give_up <= now => {
                *self = Self::Terminated;
                Step::tell(News::TimedOut)
            }
            Self::Calling {
                retransmit: Some(retransmit),
                interval,
                ..
            } if *retransmit <= now => {
                *interval *= 2;
                *retransmit = now + *interval;
                Step::send(Outgoing::Request)
            }
            Self::Completed { end } | Self::Accepted { end } if *end <= now => {
                *self = Self::Terminated;
                Step::NOTHING
            }
            _ => Step::NOTHING,
        }
    }

    /// When `handle_timeout` has something to do next.
    pub fn next_timeout(&self) -> Option<Instant> {
        match *self {
            Self::Calling {
                retransmit,
                give_up,
                ..
            } => Some(retransmit.map_or(give_up, |at| at.min(give_up))),
            Self::Proceeding { give_up, .. } => Some(give_up),
            Self::Completed { end } | Self::Accepted { end } => Some(end),
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

    fn calling(reliable: bool) -> (ClientInvite, Instant) {
        let now = Instant::now();
        (ClientInvite::start(&TIMERS, reliable, now).0, now)
    }

    fn after(code: u16, reliable: bool) -> (ClientInvite, Instant) {
        let (mut machine, now) = calling(reliable);
        machine
            .handle_response(code, &TIMERS, reliable, now)
            .unwrap();
        (machine, now)
    }

    #[test]
    fn invite_over_udp_is_repeated_in_doubling_intervals_until_timer_b() {
        let (mut machine, start) = calling(UDP);
        let mut sent = Vec::new();
        loop {
            let at = machine.next_timeout().unwrap();
            let step = machine.handle_timeout(at);
            if step == Step::tell(News::TimedOut) {
                assert_eq!(at - start, ms(32_000));
                break;
            }
            assert_eq!(step, Step::send(Outgoing::Request));
            sent.push((at - start).as_millis());
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(machine, ClientInvite::Terminated);
    }

    #[test]
    fn invite_over_tcp_is_sent_once_and_given_up_by_timer_b() {
        let (mut machine, start) = calling(TCP);
        assert_eq!(machine.next_timeout(), Some(start + ms(32_000)));
        assert_eq!(machine.handle_timeout(start + ms(31_999)), Step::NOTHING);
        assert_eq!(
            machine.handle_timeout(start + ms(32_000)),
            Step::tell(News::TimedOut)
        );
    }

    #[test]
    fn provisional_stops_retransmission_and_every_further_one_is_told() {
        let (mut machine, now) = after(100, UDP);
        let undecided = TIMERS.undecided();
        assert_eq!(machine.next_timeout(), Some(now + undecided));
        let step = machine.handle_response(180, &TIMERS, UDP, now + ms(9_000));
        assert_eq!(step, Ok(Step::tell(News::Response)));
        let end = now + ms(9_000) + undecided;
        assert_eq!(machine.next_timeout(), Some(end));
        assert_eq!(machine.handle_timeout(end), Step::tell(News::TimedOut));
        assert_eq!(machine, ClientInvite::Terminated);
    }

    #[test]
    fn refusal_is_acknowledged_each_time_but_told_once() {
        for before in [None, Some(180)] {
            let (mut machine, now) = calling(UDP);
            if let Some(code) = before {
                machine.handle_response(code, &TIMERS, UDP, now).unwrap();
            }
            let first = machine.handle_response(486, &TIMERS, UDP, now);
            let told = Step {
                send: Some(Outgoing::Ack),
                tell: Some(News::Response),
            };
            assert_eq!(first, Ok(told));
            let again = machine.handle_response(486, &TIMERS, UDP, now);
            assert_eq!(again, Ok(Step::send(Outgoing::Ack)));
            assert_eq!(machine.handle_timeout(now + ms(31_999)), Step::NOTHING);
            machine.handle_timeout(now + ms(32_000));
            assert_eq!(machine, ClientInvite::Terminated);
        }
    }

    #[test]
    fn refusal_over_tcp_ends_at_once() {
        assert_eq!(after(603, TCP).0, ClientInvite::Terminated);
    }

    #[test]
    fn every_2xx_within_timer_m_is_told_on_any_transport() {
        for reliable in [UDP, TCP] {
            let (mut machine, now) = after(200, reliable);
            let again = machine.handle_response(200, &TIMERS, reliable, now + ms(31_000));
            assert_eq!(again, Ok(Step::tell(News::Response)));
            assert_eq!(machine.handle_timeout(now + ms(32_000)), Step::NOTHING);
            assert_eq!(machine, ClientInvite::Terminated);
        }
    }

    #[test]
    fn refusal_after_2xx_and_2xx_after_refusal_have_no_arrow() {
        let (mut accepted, now) = after(200, UDP);
        assert_eq!(
            accepted.handle_response(486, &TIMERS, UDP, now),
            Err(Misplaced)
        );
        assert_eq!(
            accepted.handle_response(180, &TIMERS, UDP, now),
            Err(Misplaced)
        );
        let (mut completed, now) = after(486, UDP);
        assert_eq!(
            completed.handle_response(200, &TIMERS, UDP, now),
            Err(Misplaced)
        );
    }

    #[test]
    fn cancelled_invite_that_never_ends_is_given_up_after_64_t1() {
        let (mut machine, now) = after(180, UDP);
        machine.handle_cancelled(&TIMERS, now + ms(1_000)).unwrap();
        machine.handle_cancelled(&TIMERS, now + ms(9_000)).unwrap();
        assert_eq!(machine.handle_timeout(now + ms(32_999)), Step::NOTHING);
        assert_eq!(
            machine.handle_timeout(now + ms(33_000)),
            Step::tell(News::TimedOut)
        );
        assert_eq!(
            calling(UDP).0.handle_cancelled(&TIMERS, now),
            Err(Misplaced)
        );
    }

    #[test]
    fn transport_error_is_told_before_2xx_and_ignored_after_it() {
        for code in [180, 486] {
            let (mut machine, _) = after(code, UDP);
            assert_eq!(
                machine.handle_transport_error(),
                Step::tell(News::TransportFailed)
            );
            assert_eq!(machine, ClientInvite::Terminated);
        }
        let (mut machine, _) = after(200, TCP);
        assert_eq!(machine.handle_transport_error(), Step::NOTHING);
        assert!(matches!(machine, ClientInvite::Accepted { .. }));
    }
}
