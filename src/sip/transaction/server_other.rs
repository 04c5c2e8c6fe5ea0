use super::{
    step::{Misplaced, News, Outgoing, Step},
    timers::Timers,
};
use std::time::{Duration, Instant};

/// The server transaction of every method but INVITE and ACK (RFC 3261 figure 8).
///
/// ```text
///                     | request: told
///                     v
///                +----------+
///                |  Trying  |------------------+ silence for 64*T1: told
///                +----------+                  |
///        1xx from  |      | 200-699 from user  |
///        user:     |      | sent               |
///        sent      v      +--------+           |
///   request:  +------------+       |           |
///   again     | Proceeding |-------|-----------+
///   1xx:  +-->|            |       |           |
///   sent  +---|            |----+  |           |
///             +------------+    |  |           |
///               200-699 from    v  v           |
///               user: sent  +-----------+      |
///               request:    | Completed |      |
///               again    +->|           |      |
///                        +--|           |      |
///                           +-----------+      |
///                               | Timer J      |
///                               v              |
///                          +------------+      |
///                          | Terminated |<-----+
///                          +------------+
/// ```
/// The arrow `silence` is not in the figure: after 64*T1 the client has given up, and RFC 4320
/// §4.2 forbids an answer that late. It keeps a user who forgets to answer from filling the
/// table. A transport error changes nothing (RFC 6026 §8.8 in the spirit of its INVITE rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerOther {
    /// The user has not spoken.
    Trying {
        /// When nobody waits for the answer any more.
        give_up: Instant,
    },
    /// The user gave a provisional response.
    Proceeding {
        /// When nobody waits for the answer any more.
        give_up: Instant,
    },
    /// The user gave its final response.
    Completed {
        /// Timer J.
        end: Instant,
    },
    /// Over: the table forgets it.
    Terminated,
}

impl ServerOther {
    /// Starts with a received request, which the user is told.
    pub fn start(timers: &Timers, now: Instant) -> Self {
        Self::Trying {
            give_up: now + timers.give_up(),
        }
    }

    /// The request came again.
    pub fn handle_request(&mut self) -> Step {
        match self {
            Self::Proceeding { .. } | Self::Completed { .. } => Step::send(Outgoing::Response),
            Self::Trying { .. } | Self::Terminated => Step::NOTHING,
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
            (Self::Trying { give_up } | Self::Proceeding { give_up }, 100..=199) => {
                *self = Self::Proceeding { give_up };
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, 200..=699) => {
                *self = match timers.j(reliable) {
                    Duration::ZERO => Self::Terminated,
                    wait => Self::Completed { end: now + wait },
                };
            }
            _ => return Err(Misplaced),
        }
        Ok(Step::send(Outgoing::Response))
    }

    /// The transport could not send.
    pub fn handle_transport_error(&mut self) -> Step {
        match self {
            Self::Terminated => Step::NOTHING,
            _ => Step::tell(News::TransportFailed),
        }
    }

    /// Lets every timer due at `now` fire once.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        match self {
            Self::Trying { give_up } | Self::Proceeding { give_up } if *give_up <= now => {
                *self = Self::Terminated;
                Step::tell(News::Abandoned)
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
            Self::Trying { give_up: at }
            | Self::Proceeding { give_up: at }
            | Self::Completed { end: at } => Some(at),
            Self::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: bool = false;
    const TCP: bool = true;

    fn timers() -> Timers {
        Timers::default()
    }

    #[test]
    fn repeated_request_is_absorbed_until_the_user_speaks() {
        let now = Instant::now();
        let mut machine = ServerOther::start(&timers(), now);
        assert_eq!(machine.handle_request(), Step::NOTHING);
        machine.respond(100, &timers(), UDP, now).unwrap();
        assert_eq!(machine.handle_request(), Step::send(Outgoing::Response));
        machine.respond(200, &timers(), UDP, now).unwrap();
        assert_eq!(machine.handle_request(), Step::send(Outgoing::Response));
    }

    #[test]
    fn answered_request_is_remembered_until_timer_j_over_udp_only() {
        let now = Instant::now();
        let mut machine = ServerOther::start(&timers(), now);
        machine.respond(200, &timers(), UDP, now).unwrap();
        assert_eq!(machine.next_timeout(), Some(now + Duration::from_secs(32)));
        assert_eq!(
            machine.handle_timeout(now + Duration::from_secs(32)),
            Step::NOTHING
        );
        assert_eq!(machine, ServerOther::Terminated);

        let mut machine = ServerOther::start(&timers(), now);
        let step = machine.respond(200, &timers(), TCP, now);
        assert_eq!(step, Ok(Step::send(Outgoing::Response)));
        assert_eq!(machine, ServerOther::Terminated);
    }

    #[test]
    fn second_final_response_has_no_arrow() {
        let now = Instant::now();
        let mut machine = ServerOther::start(&timers(), now);
        machine.respond(200, &timers(), UDP, now).unwrap();
        assert_eq!(machine.respond(500, &timers(), UDP, now), Err(Misplaced));
        assert_eq!(machine.respond(100, &timers(), UDP, now), Err(Misplaced));
    }

    #[test]
    fn user_silent_for_64_t1_has_abandoned_the_request() {
        let now = Instant::now();
        for provisional in [false, true] {
            let mut machine = ServerOther::start(&timers(), now);
            if provisional {
                machine.respond(100, &timers(), UDP, now).unwrap();
            }
            let end = now + Duration::from_secs(32);
            assert_eq!(
                machine.handle_timeout(end - Duration::from_millis(1)),
                Step::NOTHING
            );
            assert_eq!(machine.handle_timeout(end), Step::tell(News::Abandoned));
            assert_eq!(machine.respond(200, &timers(), UDP, end), Err(Misplaced));
        }
    }

    #[test]
    fn transport_error_is_told_and_changes_nothing() {
        let now = Instant::now();
        let mut machine = ServerOther::start(&timers(), now);
        machine.respond(200, &timers(), UDP, now).unwrap();
        let before = machine;
        assert_eq!(
            machine.handle_transport_error(),
            Step::tell(News::TransportFailed)
        );
        assert_eq!(machine, before);
    }
}
