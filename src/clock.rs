//! The only reader of time. Pure code takes `now` as an argument.
//!
//! A server [`keep`]s its time of day: it then goes on evenly whatever the system's clock does,
//! and `steady` decides when that one is believed again.
mod keeper;
mod steady;

pub use keeper::{Keeper, keep};

use keeper::{KEPT, OFFSET};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Monotonic now. Follows tokio's clock, so a paused test runtime controls it.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day, for everything that is stored or shown.
///
/// A machine set before 1970 is told that it is 1970.
pub fn wall() -> Timestamp {
    let millis = match KEPT.load(Ordering::Acquire) {
        true => uptime_millis().saturating_add(OFFSET.load(Ordering::Acquire)),
        false => system_millis(),
    };
    Timestamp(u64::try_from(millis).unwrap_or_default())
}

/// What the system's clock shows, in microseconds since 1970: for records that stand beside those
/// of other processes. Nothing is decided by it.
pub fn system_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, micros)
}

/// `duration` in microseconds; beyond what 64 bits hold, the most they do.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What the system takes for the time since 1970.
fn system_millis() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

/// Since the machine was started, sleep included; nobody can set it.
fn uptime_millis() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// A moment of the calendar. Units: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// A text that is no date of the wanted form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not an RFC 3339 date and time.
    #[error("not an RFC 3339 date and time")]
    Rfc3339,
    /// Not the fixed form of RFC 1123 that SIP and HTTP use.
    #[error("not an RFC 1123 date")]
    Http,
    /// Before 1970.
    #[error("date lies before 1970")]
    BeforeEpoch,
}

impl Timestamp {
    /// The earliest moment there is.
    pub const EPOCH: Self = Self(0);

    /// Later than any date that can be written down: year 9999.
    const LATEST_WRITABLE: u64 = 253_402_300_799_999;

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This moment, `later` later; the end of time stays the end of time.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(millis(later)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The date as CPIM's `DateTime` has it, in UTC with milliseconds where there are any.
    pub fn to_rfc3339(self) -> String {
        let millis = self.0.min(Self::LATEST_WRITABLE);
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
            .ok()
            .and_then(|date| date.to_offset(UtcOffset::UTC).format(&Rfc3339).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
    }

    /// Parses a date of RFC 3339 with any offset.
    ///
    /// Errors: `Rfc3339` for another shape, `BeforeEpoch` for a date before 1970.
    /// Source: RFC 3339 §5.6.
    pub fn parse_rfc3339(text: &str) -> Result<Self, DateError> {
        let date = OffsetDateTime::parse(text.trim(), &Rfc3339).map_err(|_| DateError::Rfc3339)?;
        u64::try_from(date.unix_timestamp_nanos() / 1_000_000)
            .map(Self)
            .map_err(|_| DateError::BeforeEpoch)
    }

    /// The date as the header field `Date` of SIP has it, to the second.
    pub fn to_http_date(self) -> String {
        let seconds = self.0.min(Self::LATEST_WRITABLE) / 1000;
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// Parses the date of a `Date` field.
    ///
    /// Errors: `Http` for another shape, `BeforeEpoch` for a date before 1970.
    /// Source: RFC 3261 §20.17.
    pub fn parse_http_date(text: &str) -> Result<Self, DateError> {
        let date = httpdate::parse_http_date(text.trim()).map_err(|_| DateError::Http)?;
        date.duration_since(UNIX_EPOCH)
            .map(|since| Self(millis(since)))
            .map_err(|_| DateError::BeforeEpoch)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_of_rfc_3261_reads_and_writes_the_same() {
        let text = "Sat, 13 Nov 2010 23:29:00 GMT";
        let date = Timestamp::parse_http_date(text).unwrap();
        assert_eq!(date.to_http_date(), text);
        assert_eq!(date.to_rfc3339(), "2010-11-13T23:29:00Z");
    }

    #[test]
    fn offset_of_a_cpim_date_is_folded_into_utc() {
        let date = Timestamp::parse_rfc3339("2000-12-13T13:40:00-08:00").unwrap();
        assert_eq!(date.to_rfc3339(), "2000-12-13T21:40:00Z");
    }

    #[test]
    fn milliseconds_survive_writing_and_reading() {
        let date = Timestamp::from_millis(1_234_567_890_123);
        assert_eq!(Timestamp::parse_rfc3339(&date.to_rfc3339()), Ok(date));
    }

    #[test]
    fn end_of_time_can_be_written() {
        let end = Timestamp::EPOCH.plus(Duration::MAX);
        assert_eq!(end.to_rfc3339(), "9999-12-31T23:59:59.999Z");
        assert_eq!(end.to_http_date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn date_before_1970_is_refused_by_name() {
        let early = Timestamp::parse_rfc3339("1969-12-31T23:59:59Z");
        assert_eq!(early, Err(DateError::BeforeEpoch));
        assert_eq!(
            Timestamp::parse_http_date("yesterday"),
            Err(DateError::Http)
        );
    }

    #[test]
    fn time_that_ran_backwards_counts_as_no_time() {
        let (early, late) = (Timestamp::from_millis(1), Timestamp::from_millis(9));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_millis(8));
    }
}
