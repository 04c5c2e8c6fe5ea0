use super::{
    step::{Misplaced, News, Outgoing, Step},
    timers::Timers,
};
use std::time::{Duration, Instant};

/// The INVITE server transaction (RFC 6026 figure 7, which replaces the one of RFC 3261).
///
/// ```text
///                          | INVITE: told
///            INVITE:       v 100 if the user is silent for 200 ms
///            again   +------------+
///               +----| Proceeding |----+ 101-199 from user: sent
///               +--->|            |<---+ transport error: told
///                    |            |----- silence: told -----> Terminated
///                    +------------+
///        300-699 from  |       |  2xx from user
///        user: sent    |       |  sent
///            +---------+       +-----------+
///            v                             v
///     +-----------+ Timer G,        +----------+  INVITE: absorbed
///     | Completed |<-+ INVITE:      | Accepted |<-+ ACK: told
///     |           |--+ again        |          |--+ 2xx from user: sent
///     +-----------+                 +----------+
///       |       | ACK: absorbed           | Timer L
///       |       v                         |
///       |   +-----------+                 |
///       |   | Confirmed |<-+ ACK,         |
///       |   |           |--+ INVITE:      |
///       |   +-----------+    absorbed     |
///       |       | Timer I                 |
///       |       v                         |
///       | +------------+                  |
///       +>| Terminated |<-----------------+
/// Timer H +------------+
/// ```
/// The arrow `silence` is not in the figure: it keeps a user who forgets to answer from filling
/// the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerInvite {
    /// The user has not decided.
    Proceeding {
        /// When `100 Trying` goes out unless the user speaks first.
        trying: Option<Instant>,
        /// When silence has lasted too long.
        give_up: Instant,
    },
    /// Refused; waiting for the ACK.
    Completed {
        /// Timer G; none on reliable transports.
        retransmit: Option<Instant>,
        /// The value timer G was last set to.
        interval: Duration,
        /// Timer H.
        give_up: Instant,
    },
    /// The ACK of the refusal came.
    Confirmed {
        /// Timer I.
        end: Instant,
    },
    /// Accepted; repeated INVITEs are absorbed, the user repeats the 2xx itself.
    Accepted {
        /// Timer L.
        end: Instant,
    },
    /// Over: the table forgets it.
    Terminated,
}

impl ServerInvite {
    /// Starts with a received INVITE, which the user is told.
    pub fn start(timers: &Timers, now: Instant) -> Self {
        Self::Proceeding {
            trying: Some(now + timers.trying()),
            give_up: now + timers.undecided(),
        }
    }

    /// The INVITE came again.
    pub fn handle_invite(&mut self) -> Step {
        match self {
            Self::Proceeding { trying: None, .. } | Self::Completed { .. } => {
                Step::send(Outgoing::Response)
            }
            Self::Proceeding {
                trying: trying @ Some(_),
                ..
            } => {
                *trying = None;
                Step::send(Outgoing::Trying)
            }
            Self::Confirmed { .. } | Self::Accepted { .. } | Self::Terminated => Step::NOTHING,
        }
    }

    /// An ACK with the INVITE's branch came.
    pub fn handle_ack(
        &mut self,
        timers: &Timers,
        reliable: bool,
        now: Instant,
    ) -> Result<Step, Misplaced> {
        match self {
            Self::Completed { .. } => {
                *self = match timers.i(reliable) {
                    Duration::ZERO => Self::Terminated,
                    wait => Self::Confirmed { end: now + wait },
                };
                Ok(Step::NOTHING)
            }
            Self::Confirmed { .. } => Ok(Step::NOTHING),
            Self::Accepted { .. } => Ok(Step::tell(News::Ack)),
            Self::Proceeding { .. } | Self::Terminated => Err(Misplaced),
        }
    }

    /// The user gave a response with `code`.
    pub fn respond(
        &mut self,
        code: u16,
        timers: &Timers,
        reliable: bool,
        now: Instant,
    ) -> Result<Step, Misplaced> {
        match (*self, code) {
            (Self::Proceeding { .. }, 100..=199) => {
                let give_up = now + timers.undecided();
                *self = Self::Proceeding {
                    trying: None,
                    give_up,
                };
            }
            (Self::Proceeding { .. }, 200..=299) => {
                *self = Self::Accepted {
                    end: now + timers.give_up(),
                };
            }
            (Self::Proceeding { .. }, 300..=699) => {
                *self = Self::Completed {
                    retransmit: (!reliable).then(|| now + timers.t1),
                    interval: timers.t1,
                    give_up: now + timers.give_up(),
                };
            }
            (Self::Accepted { .. }, 200..=299) => {}
            _ => return Err(Misplaced),
        }
        Ok(Step::send(Outgoing::Response))
    }

    /// The transport could not send: told, and the state stays, so that a repeated INVITE is not
    /// taken for a new one (RFC 6026 §7.1).
    pub fn handle_transport_error(&mut self) -> Step {
        match self {
            Self::Confirmed { .. } | Self::Terminated => Step::NOTHING,
            _ => Step::tell(News::TransportFailed),
        }
    }

    /// Lets every timer due at `now` fire once.
    pub fn handle_timeout(&mut self, timers: &Timers, now: Instant) -> Step {
        match self {
            Self::Proceeding { trying, .. } if trying.is_some_and(|at| at <= now) => {
                *trying = None;
                Step::send(Outgoing::Trying)
            }
            Self::Proceeding { give_up, .. } if *give_up <= now => {
                *self = Self::Terminated;
                Step::tell(News::Abandoned)
            }
            Self::Completed { give_up: end, .. }
            | Self::Confirmed { end }
            | Self::Accepted { end }
                if *end <= now =>
            {
                *self = Self::Terminated;
                Step::NOTHING
            }
            Self::Completed {
                retransmit: Some(retransmit),
                interval,
                ..
            } if *retransmit <= now => {
                *interval = (*interval * 2).min(timers.t2);
                *retransmit = now + *interval;
                Step::send(Outgoing::Response)
            }
            _ => Step::NOTHING,
        }
    }

    /// When `handle_timeout` has something to do next.
    pub fn next_timeout(&self) -> Option<Instant> {
        match *self {
            Self::Proceeding { trying, give_up } => Some(trying.unwrap_or(give_up)),
            Self::Completed {
                retransmit,
                give_up,
                ..
            } => Some(retransmit.map_or(give_up, |at| at.min(give_up))),
            Self::Confirmed { end } | Self::Accepted { end } => Some(end),
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

    fn after(code: u16, reliable: bool) -> (ServerInvite, Instant) {
        let now = Instant::now();
        let mut machine = ServerInvite::start(&TIMERS, now);
        let step = machine.respond(code, &TIMERS, reliable, now);
        assert_eq!(step, Ok(Step::send(Outgoing::Response)));
        (machine, now)
    }

    #[test]
    fn silent_user_is_covered_by_100_after_200_ms() {
        let now = Instant::now();
        let mut machine = ServerInvite::start(&TIMERS, now);
        assert_eq!(
            machine.handle_timeout(&TIMERS, now + ms(199)),
            Step::NOTHING
        );
        assert_eq!(
            machine.handle_timeout(&TIMERS, now + ms(200)),
            Step::send(Outgoing::Trying)
        );
        let end = now + TIMERS.undecided();
        assert_eq!(machine.next_timeout(), Some(end));
        assert_eq!(
            machine.handle_timeout(&TIMERS, end),
            Step::tell(News::Abandoned)
        );
        assert_eq!(machine, ServerInvite::Terminated);
    }

    #[test]
    fn repeated_invite_gets_the_latest_provisional() {
        let (mut machine, now) = after(180, UDP);
        assert_eq!(machine.next_timeout(), Some(now + TIMERS.undecided()));
        assert_eq!(machine.handle_invite(), Step::send(Outgoing::Response));
        let mut silent = ServerInvite::start(&TIMERS, Instant::now());
        assert_eq!(silent.handle_invite(), Step::send(Outgoing::Trying));
    }

    #[test]
    fn refusal_over_udp_is_repeated_at_most_every_t2_until_timer_h() {
        let (mut machine, start) = after(486, UDP);
        let mut sent = Vec::new();
        loop {
            let at = machine.next_timeout().unwrap();
            let step = machine.handle_timeout(&TIMERS, at);
            if machine == ServerInvite::Terminated {
                assert_eq!((at - start, step), (ms(32_000), Step::NOTHING));
                break;
            }
            sent.push((at - start).as_millis());
        }
        assert_eq!(
            sent,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
    }

    #[test]
    fn refusal_over_tcp_is_sent_once_but_waits_for_its_ack() {
        let (mut machine, start) = after(486, TCP);
        assert_eq!(machine.next_timeout(), Some(start + ms(32_000)));
        assert_eq!(machine.handle_invite(), Step::send(Outgoing::Response));
        assert_eq!(machine.handle_ack(&TIMERS, TCP, start), Ok(Step::NOTHING));
        assert_eq!(machine, ServerInvite::Terminated);
    }

    #[test]
    fn acknowledged_refusal_absorbs_stragglers_until_timer_i() {
        let (mut machine, now) = after(486, UDP);
        assert_eq!(machine.handle_ack(&TIMERS, UDP, now), Ok(Step::NOTHING));
        assert_eq!(machine.handle_ack(&TIMERS, UDP, now), Ok(Step::NOTHING));
        assert_eq!(machine.handle_invite(), Step::NOTHING);
        assert_eq!(machine.handle_transport_error(), Step::NOTHING);
        assert_eq!(machine.next_timeout(), Some(now + TIMERS.t4));
        machine.handle_timeout(&TIMERS, now + TIMERS.t4);
        assert_eq!(machine, ServerInvite::Terminated);
    }

    #[test]
    fn accepted_invite_absorbs_repetitions_and_passes_acks_and_2xx_until_timer_l() {
        for reliable in [UDP, TCP] {
            let (mut machine, now) = after(200, reliable);
            assert_eq!(machine.handle_invite(), Step::NOTHING);
            assert_eq!(
                machine.handle_ack(&TIMERS, reliable, now),
                Ok(Step::tell(News::Ack))
            );
            let again = machine.respond(200, &TIMERS, reliable, now);
            assert_eq!(again, Ok(Step::send(Outgoing::Response)));
            assert_eq!(machine.next_timeout(), Some(now + ms(32_000)));
            machine.handle_timeout(&TIMERS, now + ms(32_000));
            assert_eq!(machine, ServerInvite::Terminated);
        }
    }

    #[test]
    fn responses_after_a_final_one_have_no_arrow() {
        for (first, second) in [(200, 180), (200, 486), (486, 200), (486, 486), (486, 100)] {
            let (mut machine, now) = after(first, UDP);
            assert_eq!(machine.respond(second, &TIMERS, UDP, now), Err(Misplaced));
        }
    }

    #[test]
    fn ack_before_a_final_response_has_no_arrow() {
        let now = Instant::now();
        let mut machine = ServerInvite::start(&TIMERS, now);
        assert_eq!(machine.handle_ack(&TIMERS, UDP, now), Err(Misplaced));
    }

    #[test]
    fn transport_error_is_told_and_changes_nothing() {
        for code in [180, 200, 486] {
            let (mut machine, _) = after(code, UDP);
            let before = machine;
            assert_eq!(
                machine.handle_transport_error(),
                Step::tell(News::TransportFailed)
            );
            assert_eq!(machine, before);
        }
    }
}
