//! What `/metrics` shows of the MSRP room. Names, units and help texts stand here and nowhere else.
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

const CONNECTIONS: &str = "restante_msrp_connections";
const SESSIONS: &str = "restante_msrp_sessions";
const CHUNKS: &str = "restante_msrp_chunks_total";
const OCTETS: &str = "restante_msrp_body_bytes_total";
const REFUSED: &str = "restante_msrp_refused_total";
const CLOSED: &str = "restante_msrp_closed_total";
const TIMEOUTS: &str = "restante_msrp_response_timeouts_total";
const STRAY: &str = "restante_msrp_stray_responses_total";
const REPORTS: &str = "restante_msrp_reports_total";
const GRANTED: &str = "restante_msrp_relay_uris_total";
const PAUSES: &str = "restante_msrp_reader_pauses_total";
const RESPONSE: &str = "restante_msrp_responses_total";
const QUEUED: &str = "restante_msrp_queued_bytes";
const HELD: &str = "restante_msrp_paused_connections";
const TURN: &str = "restante_msrp_turn_seconds";

/// Status codes counted one by one.
pub(super) const RESPONSES: [&str; 16] = [
    "200", "400", "401", "403", "404", "408", "413", "415", "423", "424", "425", "428", "481",
    "501", "506", "other",
];

/// Why requests are refused.
const REFUSALS: [&str; 32] = [
    "relay_uri",
    "relay_client_away",
    "relay_next_hop",
    "relay_itself",
    "relay_loop",
    "relay_unreachable",
    "relay_failed",
    "relay_needs_tls",
    "relay_wrong_proof",
    "relay_expires",
    "relay_forbidden",
    "relay_bad_auth",
    "relay_too_many_uris",
    "relay_accounts",
    "bound_elsewhere",
    "no_session",
    "certificate",
    "unknown_method",
    "media_type",
    "too_large",
    "path_order",
    "bad_path",
    "no_message_id",
    "bad_byte_range",
    "bad_report_preference",
    "no_content_type",
    "head_too_long",
    "bad_start_line",
    "bad_header",
    "bad_end_line",
    "body_too_long",
    "other",
];

/// Why connections are closed.
const CLOSINGS: [&str; 14] = [
    "local",
    "peer_closed",
    "broken",
    "framing",
    "handshake",
    "bind_timeout",
    "connect_failed",
    "certificate",
    "refused",
    "stalled",
    "internal",
    "too_many_connections",
    "not_handed_over",
    "other",
];

/// Handles taken once, so that the hot path pays no look-up.
#[derive(Clone)]
pub struct Metrics {
    connections: Gauge,
    sessions: Gauge,
    /// SENDs that came in.
    pub chunks_in: Counter,
    /// SENDs that went out.
    pub chunks_out: Counter,
    /// Body octets that came in.
    pub octets_in: Counter,
    /// Body octets that went out.
    pub octets_out: Counter,
    /// Requests of ours that nobody answered in time.
    pub timeouts: Counter,
    /// Responses to no request of ours.
    pub stray: Counter,
    /// REPORTs of the relay's own.
    pub reports_made: Counter,
    /// REPORTs of others that were passed on.
    pub reports_passed: Counter,
    /// Relay URIs given out or refreshed.
    pub uris_granted: Counter,
    /// Times a reader was stopped because what it feeds is full.
    pub pauses: Counter,
    /// Readers stopped now.
    pub paused: Gauge,
    /// Octets that wait for their socket.
    pub queued: Gauge,
    /// Time from a read to the write of what came of it, of one read in some.
    pub turn: Histogram,
    /// Responses received, by code.
    pub(super) responses: [Counter; RESPONSES.len()],
    refused: [Counter; REFUSALS.len()],
    closed: [Counter; CLOSINGS.len()],
}

/// Counts one open connection or session for as long as it lives, even if its actor panics.
#[derive(Debug)]
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Metrics {
    /// Registers with the recorder in force. Labels are small closed sets: a reason, a direction;
    /// never an address or a session id.
    pub fn register() -> Self {
        describe_gauge!(CONNECTIONS, Unit::Count, "Open MSRP connections");
        describe_gauge!(SESSIONS, Unit::Count, "Open MSRP sessions");
        describe_counter!(CHUNKS, Unit::Count, "SEND requests, by direction");
        describe_counter!(
            OCTETS,
            Unit::Bytes,
            "Body octets of SEND requests, by direction"
        );
        describe_counter!(REFUSED, Unit::Count, "Requests refused, by reason");
        describe_counter!(CLOSED, Unit::Count, "Connections closed, by reason");
        describe_counter!(
            TIMEOUTS,
            Unit::Count,
            "SEND requests that stayed unanswered"
        );
        describe_counter!(STRAY, Unit::Count, "Responses to no request in flight");
        describe_counter!(REPORTS, Unit::Count, "REPORT requests sent, by origin");
        describe_counter!(GRANTED, Unit::Count, "Relay URIs given out or refreshed");
        describe_counter!(
            PAUSES,
            Unit::Count,
            "Times the reading of a connection was stopped because what it feeds was full"
        );
        describe_gauge!(
            HELD,
            Unit::Count,
            "Connections not read for now, because what they feed is full"
        );
        describe_gauge!(QUEUED, Unit::Bytes, "Octets queued for their sockets");
        describe_histogram!(
            TURN,
            Unit::Seconds,
            "From a read to the write of what came of it, one read in sixteen"
        );
        describe_counter!(RESPONSE, Unit::Count, "Responses received, by code");
        Self {
            connections: gauge!(CONNECTIONS),
            sessions: gauge!(SESSIONS),
            chunks_in: counter!(CHUNKS, "direction" => "in"),
            chunks_out: counter!(CHUNKS, "direction" => "out"),
            octets_in: counter!(OCTETS, "direction" => "in"),
            octets_out: counter!(OCTETS, "direction" => "out"),
            timeouts: counter!(TIMEOUTS),
            stray: counter!(STRAY),
            reports_made: counter!(REPORTS, "origin" => "relay"),
            reports_passed: counter!(REPORTS, "origin" => "passed"),
            uris_granted: counter!(GRANTED),
            pauses: counter!(PAUSES),
            paused: gauge!(HELD),
            queued: gauge!(QUEUED),
            turn: histogram!(TURN),
            responses: RESPONSES.map(|code| counter!(RESPONSE, "code" => code)),
            refused: REFUSALS.map(|reason| counter!(REFUSED, "reason" => reason)),
            closed: CLOSINGS.map(|reason| counter!(CLOSED, "reason" => reason)),
        }
    }

    /// Counts a connection until the value is dropped.
    pub fn open_connection(&self) -> Open {
        self.connections.increment(1);
        Open(self.connections.clone())
    }

    /// Counts a session until the value is dropped.
    pub fn open_session(&self) -> Open {
        self.sessions.increment(1);
        Open(self.sessions.clone())
    }

    /// Counts a refused request.
    pub fn refused(&self, reason: &str) {
        of(&REFUSALS, &self.refused, reason).increment(1);
    }

    /// Counts a closed connection.
    pub fn closed(&self, reason: &str) {
        of(&CLOSINGS, &self.closed, reason).increment(1);
    }
}

/// The counter of a reason; one without a name of its own counts as the last, `other`.
fn of<'a>(reasons: &[&str], counters: &'a [Counter], reason: &str) -> &'a Counter {
    let place = reasons.iter().position(|known| *known == reason);
    &counters[place.unwrap_or(reasons.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn names_carry_room_unit_and_total() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::register();
            metrics.octets_in.increment(7);
            metrics.refused("no_session");
            metrics.closed("bind_timeout");
            metrics.closed("something new");
            drop(metrics.open_connection());
        });
        let text = recorder.handle().render();
        for line in [
            "restante_msrp_body_bytes_total{direction=\"in\"} 7",
            "restante_msrp_refused_total{reason=\"no_session\"} 1",
            "restante_msrp_closed_total{reason=\"bind_timeout\"} 1",
            "restante_msrp_closed_total{reason=\"other\"} 1",
            "restante_msrp_connections 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
