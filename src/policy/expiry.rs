use std::time::Duration;

/// For how long a message is kept: what the sender asked for, capped by the operator.
///
/// `asked` is the time left by the sender's wish, `None` without one; a wish that has run out
/// already is zero.
pub fn expiry(asked: Option<Duration>, cap: Duration) -> Duration {
    asked.map_or(cap, |asked| asked.min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn wish_of_the_sender_is_capped_and_never_stretched() {
        assert_eq!(expiry(None, 7 * DAY), 7 * DAY);
        assert_eq!(expiry(Some(DAY), 7 * DAY), DAY);
        assert_eq!(expiry(Some(30 * DAY), 7 * DAY), 7 * DAY);
        assert_eq!(expiry(Some(Duration::ZERO), DAY), Duration::ZERO);
    }
}
