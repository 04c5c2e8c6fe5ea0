//! What `/metrics` shows of the HTTP port. Names, units and help texts stand here and nowhere else.
use metrics::{Counter, Unit, counter, describe_counter};

/// Handles taken once.
#[derive(Clone)]
pub(super) struct Metrics {
    /// Answers by class: 2xx, 4xx, 5xx; anything else among 2xx.
    answered: [Counter; 3],
    /// Calls of the admin API without the right token.
    pub strangers: Counter,
}

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe_counter!(
            "restante_http_answers_total",
            Unit::Count,
            "HTTP requests answered, by class of status"
        );
        describe_counter!(
            "restante_http_refused_total",
            Unit::Count,
            "HTTP requests refused, by reason"
        );
        Self {
            answered: ["2xx", "4xx", "5xx"]
                .map(|class| counter!("restante_http_answers_total", "status" => class)),
            strangers: counter!("restante_http_refused_total", "reason" => "token"),
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, status: u16) {
        let [fine, theirs, ours] = &self.answered;
        match status / 100 {
            4 => theirs.increment(1),
            5 => ours.increment(1),
            _ => fine.increment(1),
        }
    }
}
