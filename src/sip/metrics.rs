//! What `/metrics` shows of the SIP room. Names, units and help texts stand here and nowhere else.
use super::{
    codec::{Message, Method},
    transaction::{Dropped, Transport},
};
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use std::array;

const REQUESTS: &str = "restante_sip_requests_total";
const RESPONSES: &str = "restante_sip_responses_total";
const OCTETS: &str = "restante_sip_bytes_total";
const REFUSED: &str = "restante_sip_refused_total";

/// Reasons that are looked up when they are met: broken messages, requests that may not go on, and
/// what the system does not do.
const RARE: [&str; 29] = [
    "accept_failed",
    "ack_unsent",
    "pending_full",
    "read_failed",
    "response_unsent",
    "version",
    "request_line",
    "request_uri",
    "header_missing",
    "header_malformed",
    "header_repeated",
    "method_mismatch",
    "branch",
    "start_line",
    "status_code",
    "bare_line_break",
    "head_unfinished",
    "field_line",
    "content_length",
    "content_length_missing",
    "truncated",
    "head_too_long",
    "field_too_long",
    "too_many_fields",
    "body_too_long",
    "max_forwards",
    "loop",
    "max_breadth",
    "extension",
];

/// Handles taken once, so that the hot path pays no look-up.
#[derive(Clone)]
pub struct Metrics {
    received: Ways,
    sent: Ways,
    connections: Gauge,
    dialogs: Gauge,
    forwards: Gauge,
    /// Server transactions alive on this shard.
    pub servers: Gauge,
    /// Client transactions alive on this shard.
    pub clients: Gauge,
    /// Requests answered 503 because the transaction user's mailbox was full.
    pub user_full: Counter,
    /// Datagrams and orders dropped because a shard's mailbox was full.
    pub mailbox_full: Counter,
    /// Reads paused because a shard's mailbox was full.
    pub paused: Counter,
    /// Connections refused at the bound.
    pub too_many_connections: Counter,
    /// INVITEs answered 503 because there were too many dialogs.
    pub too_many_dialogs: Counter,
    /// ACKs of nobody's response, such as those of a refusal outside any transaction.
    pub stray_ack: Counter,
    /// Datagrams the kernel did not take.
    pub unsent: Counter,
    /// Requests that went to the next server because one failed.
    pub failovers: Counter,
    dropped: [Counter; 6],
}

#[derive(Clone)]
struct Ways {
    requests: [Counter; 15],
    responses: [Counter; 6],
    /// Datagrams, then streams.
    octets: [Counter; 2],
}

/// Counts one open connection, dialog or forwarded request for as long as it lives, even if its actor panics.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Metrics {
    /// Registers with the recorder in force. Labels are small closed sets: a reason, a method, a
    /// class, a shard; never an address or a call id.
    pub fn register(shard: usize) -> Self {
        describe_counter!(
            REQUESTS,
            Unit::Count,
            "SIP requests, by method and direction"
        );
        describe_counter!(
            RESPONSES,
            Unit::Count,
            "SIP responses, by class and direction"
        );
        describe_counter!(
            REFUSED,
            Unit::Count,
            "SIP messages refused or dropped, by reason"
        );
        describe_counter!(
            OCTETS,
            Unit::Bytes,
            "Octets of SIP messages, by direction and transport"
        );
        for reason in RARE {
            refused(reason).increment(0);
        }
        describe_counter!(
            "restante_sip_failovers_total",
            Unit::Count,
            "SIP requests sent to the next server because one failed"
        );
        describe_gauge!("restante_sip_connections", Unit::Count, "Open SIP streams");
        describe_gauge!("restante_sip_dialogs", Unit::Count, "Live INVITE dialogs");
        describe_gauge!(
            "restante_sip_forwards",
            Unit::Count,
            "Requests being forwarded, or whose forwarding may still be repeated"
        );
        describe_gauge!(
            "restante_sip_transactions",
            Unit::Count,
            "Live SIP transactions, by who answers (sip.max_transactions)"
        );
        let live = |side| gauge!("restante_sip_transactions", "shard" => shard.to_string(), "side" => side);
        Self {
            received: Ways::register("received"),
            sent: Ways::register("sent"),
            connections: gauge!("restante_sip_connections"),
            dialogs: gauge!("restante_sip_dialogs"),
            forwards: gauge!("restante_sip_forwards"),
            servers: live("server"),
            clients: live("client"),
            user_full: refused("user_full"),
            mailbox_full: refused("mailbox_full"),
            paused: refused("paused"),
            too_many_connections: refused("too_many_connections"),
            too_many_dialogs: refused("too_many_dialogs"),
            stray_ack: refused("stray_ack"),
            unsent: refused("unsent"),
            failovers: counter!("restante_sip_failovers_total"),
            dropped: [
                Dropped::Unreadable,
                Dropped::Full,
                Dropped::StrayResponse,
                Dropped::Misplaced,
                Dropped::Abandoned,
                Dropped::Undeliverable,
            ]
            .map(|dropped| refused(dropped.kind())),
        }
    }

    /// Counts a message that came in.
    pub fn received(&self, message: &Message, over: Transport) {
        self.received.count(message, over);
    }

    /// Counts a message that went out.
    pub fn sent(&self, message: &Message, over: Transport) {
        self.sent.count(message, over);
    }

    /// Counts what the transaction table let go.
    pub fn dropped(&self, dropped: Dropped) {
        self.dropped[dropped as usize].increment(1);
    }

    /// Counts a refusal of a rare kind; looks the counter up, so not for the hot path.
    pub fn refused(&self, reason: &'static str) {
        refused(reason).increment(1);
    }

    /// Counts one stream until the guard is dropped.
    pub fn open_connection(&self) -> Open {
        self.connections.increment(1);
        Open(self.connections.clone())
    }

    /// Counts one forwarded request until the guard is dropped.
    pub fn open_forward(&self) -> Open {
        self.forwards.increment(1);
        Open(self.forwards.clone())
    }

    /// Counts one dialog until the guard is dropped.
    pub fn open_dialog(&self) -> Open {
        self.dialogs.increment(1);
        Open(self.dialogs.clone())
    }
}

impl Ways {
    fn register(direction: &'static str) -> Self {
        let methods = Method::KNOWN.map(|method| method.as_str().to_owned());
        Self {
            requests: array::from_fn(|index| {
                let method = methods
                    .get(index)
                    .cloned()
                    .unwrap_or_else(|| "other".into());
                counter!(REQUESTS, "method" => method, "direction" => direction)
            }),
            responses: array::from_fn(|index| {
                let class = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"][index];
                counter!(RESPONSES, "class" => class, "direction" => direction)
            }),
            octets: ["udp", "stream"].map(
                |transport| counter!(OCTETS, "direction" => direction, "transport" => transport),
            ),
        }
    }

    fn count(&self, message: &Message, over: Transport) {
        let octets = &self.octets[usize::from(over.is_reliable())];
        octets.increment(message.octets().len() as u64);
        if let Some(code) = message.code() {
            let class = usize::from(code / 100).clamp(1, 6) - 1;
            return self.responses[class].increment(1);
        }
        let method = message.method();
        let known = Method::KNOWN
            .iter()
            .position(|known| Some(known) == method.as_ref());
        self.requests[known.unwrap_or(14)].increment(1);
    }
}

fn refused(reason: &'static str) -> Counter {
    counter!(REFUSED, "reason" => reason)
}

#[cfg(test)]
mod tests {
    use super::super::codec::Builder;
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn messages_are_counted_by_method_class_and_direction() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::register(0);
            let request = Builder::request(Method::Publish, "sip:a@b").build();
            metrics.received(&request, Transport::Udp);
            metrics.sent(&Builder::response(&request, 489).build(), Transport::Tcp);
            metrics.dropped(Dropped::StrayResponse);
            drop(metrics.open_dialog());
        });
        let text = recorder.handle().render();
        for line in [
            "restante_sip_requests_total{method=\"PUBLISH\",direction=\"received\"} 1",
            "restante_sip_responses_total{class=\"4xx\",direction=\"sent\"} 1",
            "restante_sip_refused_total{reason=\"stray_response\"} 1",
            "restante_sip_dialogs 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
