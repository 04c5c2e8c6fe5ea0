use std::time::Duration;

/// How long to leave a device alone that has failed `failures` times in a row: `first`, doubled
/// with every further failure up to `longest`, and spread by up to a quarter either way so that
/// those who failed together are not tried together.
///
/// `roll` is a random number from 0 to 1; anything else counts as the nearer end.
pub fn backoff(failures: u32, first: Duration, longest: Duration, roll: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let wait = first.saturating_mul(doubled).min(longest);
    wait.mul_f64(0.75 + 0.5 * roll.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(4);
    const LONGEST: Duration = Duration::from_secs(60);

    fn seconds(failures: u32, roll: f64) -> u64 {
        backoff(failures, FIRST, LONGEST, roll).as_secs()
    }

    #[test]
    fn wait_doubles_up_to_the_longest() {
        let waits: Vec<u64> = (1..=6).map(|failures| seconds(failures, 0.5)).collect();
        assert_eq!(waits, [4, 8, 16, 32, 60, 60]);
        assert_eq!(seconds(u32::MAX, 0.5), 60);
    }

    #[test]
    fn wait_is_spread_by_a_quarter_either_way() {
        assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (3, 5));
        assert_eq!((seconds(9, -7.0), seconds(9, 7.0)), (45, 75));
    }
}
