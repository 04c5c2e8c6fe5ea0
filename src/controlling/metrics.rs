//! What `/metrics` shows of groups. Names, units and help texts stand here and nowhere else.
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// Handles taken once.
#[derive(Clone)]
pub(super) struct Metrics {
    /// Groups there are.
    pub(super) groups: Gauge,
    /// Groups of users that nobody had used for long.
    pub(super) expired: Counter,
    /// News of a group that nobody took.
    pub(super) news_lost: Counter,
}

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe_gauge!(
            "restante_controlling_groups",
            Unit::Count,
            "Groups there are"
        );
        describe_counter!(
            "restante_controlling_expired_total",
            Unit::Count,
            "Groups of users that ended because nobody had used them for long"
        );
        describe_counter!(
            "restante_controlling_news_lost_total",
            Unit::Count,
            "News of a group that nobody took"
        );
        Self {
            groups: gauge!("restante_controlling_groups"),
            expired: counter!("restante_controlling_expired_total"),
            news_lost: counter!("restante_controlling_news_lost_total"),
        }
    }
}
