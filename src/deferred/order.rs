use super::Envelope;
use std::cmp::Reverse;

/// Puts a page of a mailbox into the order of delivery: as stored, so that messages of one
/// sender keep their order; urgent ones first only where that is configured.
pub(super) fn arrange(page: &mut [Envelope], priority_overtakes: bool) {
    match priority_overtakes {
        true => page.sort_by_key(|envelope| (Reverse(envelope.facts.priority), envelope.sequence)),
        false => page.sort_by_key(|envelope| envelope.sequence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        deferred::{Facts, Priority, State, record::Body},
        identity::Address,
    };
    use bytes::Bytes;
    use std::sync::Arc;

    fn page() -> Vec<Envelope> {
        let alice = Address::parse("sip:alice@example.com").unwrap();
        let priorities = [Priority::Normal, Priority::Low, Priority::High];
        priorities
            .into_iter()
            .zip(1..)
            .map(|(priority, sequence)| Envelope {
                facts: Arc::new(Facts {
                    priority,
                    ..Facts::new(alice.clone(), alice.clone(), "id")
                }),
                sequence,
                stored_at: Timestamp::EPOCH,
                expires_at: Timestamp::EPOCH,
                state: State::Stored,
                attempts: 0,
                body: Body::Inline(Bytes::new()),
                started: Timestamp::EPOCH,
                has_past: false,
            })
            .collect()
    }

    fn arranged(priority_overtakes: bool) -> Vec<u64> {
        let mut page = page();
        arrange(&mut page, priority_overtakes);
        page.iter().map(|envelope| envelope.sequence).collect()
    }

    #[test]
    fn order_of_storing_is_kept_unless_overtaking_is_configured() {
        assert_eq!(arranged(false), [1, 2, 3]);
        assert_eq!(arranged(true), [3, 1, 2]);
    }
}
