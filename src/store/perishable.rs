//! Entries that end by themselves. Nothing is queued to remove them and no key is written to
//! delete them: a compaction that meets one whose time is over leaves it out.
use crate::clock::Timestamp;
use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What time it is, as far as the store was told. It drops nothing before it is told.
#[derive(Clone, Default)]
pub(super) struct Horizon(Arc<AtomicU64>);

impl Horizon {
    pub(super) fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }

    /// Whether the time that `value` begins with is over. A value too short to say lives on.
    pub(super) fn is_past(&self, value: &[u8]) -> bool {
        let end = value.first_chunk().map(|end| u64::from_be_bytes(*end));
        end.is_some_and(|end| end < self.0.load(Ordering::Relaxed))
    }
}

impl Factory for Horizon {
    fn name(&self) -> &str {
        "perishable"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Filter(self.clone()))
    }
}

struct Filter(Horizon);

impl CompactionFilter for Filter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        // a tombstone, not a gap: an older version of the key below must not come back
        Ok(match self.0.is_past(&item.value()?) {
            true => Verdict::Remove,
            false => Verdict::Keep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_past_once_the_time_it_begins_with_is_over() {
        let horizon = Horizon::default();
        assert!(
            !horizon.is_past(&0u64.to_be_bytes()),
            "nobody told the time"
        );
        horizon.set(Timestamp::from_millis(1000));
        assert!(horizon.is_past(&999u64.to_be_bytes()));
        assert!(!horizon.is_past(&1000u64.to_be_bytes()));
        assert!(!horizon.is_past(&u64::MAX.to_be_bytes()));
        assert!(!horizon.is_past(b"short"));
    }
}
