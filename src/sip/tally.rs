//! Transactions counted by method and final response, and how long they took: as many figures as
//! there are methods and codes in use, made when they are first needed.
use super::{
    codec::Method,
    transaction::{Completed, End, Side},
};
use hashbrown::HashMap;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

const TRANSACTIONS: &str = "restante_sip_transactions_total";
const SECONDS: &str = "restante_sip_transaction_seconds";

/// The final responses of RFC 3261 and its extensions. What else a neighbour makes up is counted
/// by its class, so that it cannot make more figures than these.
const CODES: [u16; 62] = [
    200, 202, 204, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 412,
    413, 414, 415, 416, 417, 420, 421, 422, 423, 424, 428, 429, 433, 436, 437, 438, 439, 440, 469,
    470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494, 500, 501, 502, 503, 504,
    505, 513, 580, 600, 603,
];

/// Methods that are shown before they are first used, so that a rate begins at 0.
const EXPECTED: [Method; 6] = [
    Method::Invite,
    Method::Bye,
    Method::Register,
    Method::Message,
    Method::Subscribe,
    Method::Notify,
];

/// The figures of one shard.
pub(super) struct Tally {
    counts: HashMap<(Side, &'static str, End), Counter>,
    times: HashMap<(Side, &'static str), Histogram>,
}

impl Tally {
    /// Registers with the recorder in force.
    pub fn register() -> Self {
        describe_counter!(
            TRANSACTIONS,
            Unit::Count,
            "SIP transactions that ended, by who answers, method and final response"
        );
        describe_histogram!(
            SECONDS,
            Unit::Seconds,
            "Time from a SIP request to its final response, by who answers"
        );
        let mut tally = Self {
            counts: HashMap::new(),
            times: HashMap::new(),
        };
        for method in EXPECTED.iter().map(name) {
            let ours = [200, 500, 503].map(|code| (Side::Server, End::Answered(code)));
            let theirs = [End::Answered(200), End::TimedOut, End::Failed];
            let theirs = theirs.map(|end| (Side::Client, end));
            for (side, end) in ours.into_iter().chain(theirs) {
                tally.count(side, method, end).increment(0);
                tally.time(side, method);
            }
        }
        tally
    }

    /// Counts a transaction.
    pub fn completed(&mut self, completed: &Completed) {
        let (side, method) = (completed.side, name(&completed.method));
        self.count(side, method, known(completed.end)).increment(1);
        self.time(side, method).record(completed.took);
    }

    fn count(&mut self, side: Side, method: &'static str, end: End) -> &Counter {
        let count = self.counts.entry((side, method, end));
        count.or_insert_with(|| {
            let labels = [
                ("side", side.as_str().to_owned()),
                ("method", method.to_owned()),
                ("code", text(end)),
            ];
            counter!(TRANSACTIONS, &labels)
        })
    }

    fn time(&mut self, side: Side, method: &'static str) -> &Histogram {
        let time = self.times.entry((side, method));
        time.or_insert_with(|| histogram!(SECONDS, "side" => side.as_str(), "method" => method))
    }
}

/// The name of a method; one that we do not know is `other`.
fn name(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Options => "OPTIONS",
        Method::Register => "REGISTER",
        Method::Message => "MESSAGE",
        Method::Subscribe => "SUBSCRIBE",
        Method::Notify => "NOTIFY",
        Method::Publish => "PUBLISH",
        Method::Refer => "REFER",
        Method::Info => "INFO",
        Method::Prack => "PRACK",
        Method::Update => "UPDATE",
        Method::Other(_) => "other",
    }
}

/// The end as it is counted: a code that nobody knows becomes its class.
fn known(end: End) -> End {
    match end {
        End::Answered(code) if CODES.binary_search(&code).is_err() => {
            End::Answered((code / 100).clamp(2, 6))
        }
        end => end,
    }
}

fn text(end: End) -> String {
    match end {
        End::Answered(class @ ..=6) => format!("{class}xx"),
        End::Answered(code) => code.to_string(),
        End::TimedOut => "timeout".to_owned(),
        End::Failed => "transport".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use std::time::Duration;

    #[test]
    fn transactions_are_counted_by_side_method_and_code() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let mut tally = Tally::register();
            for (side, end) in [
                (Side::Server, End::Answered(202)),
                (Side::Server, End::Answered(202)),
                (Side::Client, End::Answered(477)),
                (Side::Client, End::TimedOut),
            ] {
                tally.completed(&Completed {
                    side,
                    method: Method::Message,
                    end,
                    took: Duration::from_millis(3),
                });
            }
        });
        let text = recorder.handle().render();
        for line in [
            "restante_sip_transactions_total{side=\"server\",method=\"MESSAGE\",code=\"202\"} 2",
            "restante_sip_transactions_total{side=\"client\",method=\"MESSAGE\",code=\"4xx\"} 1",
            "restante_sip_transactions_total{side=\"client\",method=\"MESSAGE\",code=\"timeout\"} 1",
            "restante_sip_transactions_total{side=\"server\",method=\"INVITE\",code=\"200\"} 0",
            "restante_sip_transaction_seconds_count{side=\"server\",method=\"MESSAGE\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn codes_are_in_order() {
        assert!(CODES.is_sorted());
    }
}
