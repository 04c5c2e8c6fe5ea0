use super::Refusal;
use std::collections::BTreeMap;

/// Which octets of a message came: ranges that do not touch, as start → end.
#[derive(Debug, Default)]
pub(super) struct Extents(BTreeMap<u64, u64>);

/// Most separate ranges kept.
const MAX_RANGES: usize = 1024;

impl Extents {
    /// Books octets `start..end`.
    ///
    /// Errors: `Scattered` if there are too many holes.
    pub(super) fn book(&mut self, start: u64, end: u64) -> Result<(), Refusal> {
        if start >= end {
            return Ok(());
        }
        let (mut start, mut end) = (start, end);
        while let Some((&from, &until)) = self.0.range(..=end).next_back() {
            if until < start {
                break;
            }
            (start, end) = (start.min(from), end.max(until));
            self.0.remove(&from);
        }
        if self.0.len() >= MAX_RANGES {
            return Err(Refusal::Scattered {
                allowed: MAX_RANGES,
            });
        }
        self.0.insert(start, end);
        Ok(())
    }

    /// End of the last range.
    pub(super) fn end(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, &end)| end)
    }

    /// Checks that exactly `0..total` came.
    ///
    /// Errors: `Incomplete` with the first octet that is missing, or too many.
    pub(super) fn check(&self, total: u64) -> Result<(), Refusal> {
        let covered = match self.0.first_key_value() {
            Some((0, &end)) => end,
            _ => 0,
        };
        match covered == total && self.0.len() <= 1 {
            true => Ok(()),
            false => Err(Refusal::Incomplete {
                missing: covered.min(total),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn octets_in_any_order_make_a_whole() {
        let mut extents = Extents::default();
        for (start, end) in [(4, 6), (0, 2), (8, 10), (6, 8)] {
            extents.book(start, end).unwrap();
            assert!(extents.check(10).is_err());
        }
        extents.book(2, 4).unwrap();
        assert!(extents.check(10).is_ok());
        assert_eq!(extents.0.len(), 1);
    }

    #[test]
    fn missing_octet_is_named() {
        let mut extents = Extents::default();
        extents.book(0, 5).unwrap();
        extents.book(6, 10).unwrap();
        let error = extents.check(10).unwrap_err();
        assert!(matches!(error, Refusal::Incomplete { missing: 5 }));
    }

    #[test]
    fn octets_behind_the_end_are_no_whole() {
        let mut extents = Extents::default();
        extents.book(0, 11).unwrap();
        assert!(extents.check(10).is_err());
        assert!(Extents::default().check(0).is_ok());
    }

    #[test]
    fn holes_are_bounded() {
        let mut extents = Extents::default();
        for n in 0..MAX_RANGES as u64 {
            extents.book(n * 2, n * 2 + 1).unwrap();
        }
        let error = extents.book(1_000_000, 1_000_001).unwrap_err();
        assert!(matches!(error, Refusal::Scattered { .. }));
    }

    proptest! {
        #[test]
        fn ranges_agree_with_a_map_of_octets(
            ranges in prop::collection::vec((0_u64..100, 0_u64..20), 0..40)
        ) {
            let (mut extents, mut octets) = (Extents::default(), [false; 128]);
            for (start, len) in ranges {
                extents.book(start, start + len).unwrap();
                octets[start as usize..(start + len) as usize].fill(true);
            }
            let end = octets.iter().rposition(|&set| set).map_or(0, |at| at as u64 + 1);
            prop_assert_eq!(extents.end(), end);
            let whole = octets[..end as usize].iter().all(|&set| set);
            prop_assert_eq!(extents.check(end).is_ok(), whole);
        }
    }
}
