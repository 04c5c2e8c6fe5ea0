/// How the attempt to reach a receiver live ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// There was no binding to try.
    NoBinding,
    /// The receiver's presence says that it is not available for messages.
    Unavailable,
    /// A final response other than 2xx came.
    Refused(u16),
    /// We cancelled the INVITE after our own timer, whatever came back.
    TimerCancelled,
    /// Nothing came at all, or the transport failed.
    NoAnswer,
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The receiver counts as offline: hand the message to the deferred function. The text is
    /// the reason an operator reads.
    Defer(&'static str),
    /// The receiver is there and says no: pass the code on.
    Pass(u16),
}

/// Decides after an attempt: a receiver counts as offline without a registration, when its
/// presence says so, or if the attempt ends in 408, 480, 487 by our timer, 503, or no answer.
///
/// 430 (flow failed, RFC 5626) and 410 of a binding mean the same: the device is not behind it.
pub fn after_attempt(attempt: Attempt) -> Next {
    match attempt {
        Attempt::NoBinding => Next::Defer("not registered"),
        Attempt::Unavailable => Next::Defer("not available for messages"),
        Attempt::TimerCancelled => Next::Defer("did not answer in time"),
        Attempt::NoAnswer => Next::Defer("could not be reached"),
        Attempt::Refused(408) => Next::Defer("request timeout (408)"),
        Attempt::Refused(410) => Next::Defer("device gone (410)"),
        Attempt::Refused(430) => Next::Defer("flow failed (430)"),
        Attempt::Refused(480) => Next::Defer("temporarily unavailable (480)"),
        Attempt::Refused(503) => Next::Defer("service unavailable (503)"),
        Attempt::Refused(code) => Next::Pass(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receiver_that_cannot_be_reached_counts_as_offline() {
        for code in [408, 410, 430, 480, 503] {
            let next = after_attempt(Attempt::Refused(code));
            assert!(matches!(next, Next::Defer(_)), "{code}");
        }
        for attempt in [
            Attempt::NoBinding,
            Attempt::Unavailable,
            Attempt::TimerCancelled,
            Attempt::NoAnswer,
        ] {
            assert!(
                matches!(after_attempt(attempt), Next::Defer(_)),
                "{attempt:?}"
            );
        }
    }

    #[test]
    fn receiver_that_declines_is_no_offline_receiver() {
        for code in [403, 404, 415, 486, 487, 488, 600, 603] {
            assert_eq!(after_attempt(Attempt::Refused(code)), Next::Pass(code));
        }
    }
}
