//! What the last NOTIFY of a subscription asks its subscriber to do (RFC 6665 §4.1.3).
use crate::sip::codec::{Message, Name};
use std::time::Duration;

/// How a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Termination {
    /// There is nothing to subscribe to, or nobody to be told.
    Final,
    /// It may be made anew after this long.
    Again(Duration),
}

impl Termination {
    /// What `notify` says; `None` while the subscription goes on.
    pub fn of(notify: &Message) -> Option<Self> {
        let state = notify.value(Name::SubscriptionState)?;
        let mut parts = state.split(';').map(str::trim);
        let is_over = parts.next()?.eq_ignore_ascii_case("terminated");
        let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let value = |name: &str| {
            let mut found = parameters.iter();
            let found = found.find(|(known, _)| known.trim().eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_ascii_lowercase())
        };
        let after = || {
            let seconds = value("retry-after").and_then(|seconds| seconds.parse().ok());
            Self::Again(Duration::from_secs(seconds.unwrap_or_default()))
        };
        is_over.then(|| match value("reason").as_deref() {
            // for these two a time to wait has no meaning
            Some("deactivated" | "timeout") => Self::Again(Duration::ZERO),
            Some("probation" | "giveup") => after(),
            _ => Self::Final,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::{Builder, Method};

    #[test]
    fn reason_says_whether_and_when_to_subscribe_anew() {
        let again = |seconds| Some(Termination::Again(Duration::from_secs(seconds)));
        for (state, expected) in [
            ("active;expires=600", None),
            ("pending", None),
            ("terminated", Some(Termination::Final)),
            ("terminated;reason=noresource", Some(Termination::Final)),
            (
                "terminated;reason=rejected;retry-after=5",
                Some(Termination::Final),
            ),
            ("Terminated; Reason=Deactivated", again(0)),
            ("terminated;reason=timeout", again(0)),
            ("terminated;reason=probation;retry-after=7", again(7)),
            ("terminated;reason=probation", again(0)),
            ("terminated;retry-after=9;reason=giveup", again(9)),
        ] {
            let notify = Builder::request(Method::Notify, "sip:bob@127.0.0.1")
                .header(Name::SubscriptionState, state)
                .build();
            assert_eq!(Termination::of(&notify), expected, "{state}");
        }
    }
}
