//! What `/metrics` shows of the embedded SIP core. Names, units and help texts stand here and
//! nowhere else.
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

const CHALLENGED: &str = "restante_sip_core_challenged_total";
const REGISTERS: &str = "restante_sip_core_registers_total";

/// Handles taken once, so that the hot path pays no look-up.
#[derive(Clone)]
pub(super) struct Metrics {
    /// Subscribers with at least one binding.
    pub(super) registered: Gauge,
    /// Bindings that ended because nobody refreshed them.
    pub(super) expired: Counter,
    /// Requests that proved their sender.
    pub(super) proven: Counter,
    /// News of a registration that nobody took.
    pub(super) news_lost: Counter,
}

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe_gauge!(
            "restante_sip_core_registered",
            Unit::Count,
            "Subscribers with at least one binding"
        );
        describe_counter!(
            "restante_sip_core_expired_total",
            Unit::Count,
            "Bindings that ended because nobody refreshed them"
        );
        describe_counter!(
            "restante_sip_core_proven_total",
            Unit::Count,
            "Requests that proved their sender"
        );
        describe_counter!(
            CHALLENGED,
            Unit::Count,
            "Requests asked for proof, by reason"
        );
        describe_counter!(
            REGISTERS,
            Unit::Count,
            "REGISTER requests answered, by status code"
        );
        describe_counter!(
            "restante_sip_core_news_lost_total",
            Unit::Count,
            "News of a registration that nobody took"
        );
        for reason in ["none", "wrong", "stale", "forged", "replayed"] {
            counter!(CHALLENGED, "reason" => reason).increment(0);
        }
        for code in ["200", "400", "401", "403", "404", "423", "503", "other"] {
            counter!(REGISTERS, "code" => code).increment(0);
        }
        Self {
            registered: gauge!("restante_sip_core_registered"),
            expired: counter!("restante_sip_core_expired_total"),
            proven: counter!("restante_sip_core_proven_total"),
            news_lost: counter!("restante_sip_core_news_lost_total"),
        }
    }

    /// Counts a request asked for proof. Reasons: none, wrong, stale, forged, replayed.
    pub(super) fn challenged(&self, reason: &'static str) {
        counter!(CHALLENGED, "reason" => reason).increment(1);
    }

    /// Counts a REGISTER by its answer.
    pub(super) fn answered(&self, code: u16) {
        let code = match code {
            200 => "200",
            400 => "400",
            401 => "401",
            403 => "403",
            404 => "404",
            423 => "423",
            503 => "503",
            _ => "other",
        };
        counter!(REGISTERS, "code" => code).increment(1);
    }
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
            metrics.registered.set(3.0);
            metrics.challenged("stale");
            metrics.answered(200);
            metrics.answered(418);
        });
        let text = recorder.handle().render();
        for line in [
            "restante_sip_core_registered 3",
            "restante_sip_core_challenged_total{reason=\"stale\"} 1",
            "restante_sip_core_registers_total{code=\"200\"} 1",
            "restante_sip_core_registers_total{code=\"other\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
