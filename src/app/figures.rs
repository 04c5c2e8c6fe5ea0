//! Figures that are read where they stand whenever somebody asks, and the bounds they are seen
//! against.
use crate::{
    config::Config,
    http::{Readiness, Services, State},
    sip::actor::EndpointHandle,
    telemetry::Recorder,
};
use metrics::{Unit, describe_gauge, gauge};

const STATE: &str = "restante_state";
const LIMIT: &str = "restante_limit";

/// Has the functions show how they are whenever the figures are asked for.
pub(super) fn of_functions(recorder: &Recorder, services: &Services, readiness: &Readiness) {
    describe_gauge!(
        STATE,
        Unit::Count,
        "1 for the state the process is in, as `/health/ready` tells it"
    );
    let states = [
        (State::Starting, "starting"),
        (State::Ready, "ready"),
        (State::Draining, "draining"),
    ];
    let states = states.map(|(state, name)| (state, gauge!(STATE, "state" => name)));
    let (store, deferred) = (services.store.clone(), services.deferred.clone());
    let readiness = readiness.clone();
    recorder.before_render(move || {
        store.show();
        deferred.show();
        for (state, gauge) in &states {
            let is_now = *state == readiness.state();
            gauge.set(f64::from(u8::from(is_now)));
        }
    });
}

/// Has the endpoints show how much waits for them whenever the figures are asked for.
pub(super) fn of_endpoints(recorder: &Recorder, endpoints: &[EndpointHandle]) {
    let endpoints = endpoints.to_vec();
    recorder.before_render(move || endpoints.iter().for_each(EndpointHandle::show));
}

/// Shows the bounds that were configured, so that a figure can be seen as a share of its bound.
/// Those that each of `shards` has for itself are added up where the figure is.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; 2^53 octets are enough"
)]
pub(super) fn limits(config: &Config, shards: usize) {
    describe_gauge!(
        LIMIT,
        Unit::Count,
        "Bounds that are configured, by the name of their key: of the whole process, sip.mailbox and sip.max_transactions of each shard"
    );
    let parties = &config.participating;
    let counts = [
        ("store.queue", config.store.queue),
        ("sip.mailbox", config.sip.mailbox),
        (
            "sip.max_dialogs",
            config.sip.max_dialogs.saturating_mul(shards),
        ),
        (
            "sip.max_connections",
            config.sip.max_connections.saturating_mul(shards),
        ),
        ("sip.max_transactions", config.sip.max_transactions),
        ("deferred.max_deposits", config.deferred.max_deposits),
        ("participating.max_drains", parties.max_drains),
        ("participating.max_sessions", parties.max_sessions),
        ("participating.max_subscriptions", parties.max_subscriptions),
        (
            "msrp.max_connections",
            config.msrp.max_connections.saturating_mul(shards),
        ),
    ];
    for (key, bound) in counts {
        gauge!(LIMIT, "key" => key).set(bound as f64);
    }
    let octets = [
        ("store.max_inflight", config.store.max_inflight),
        ("store.max_journal", config.store.max_journal),
        ("store.write_buffer", config.store.write_buffer),
        ("store.reserve", config.store.reserve),
        ("deferred.min_free", config.deferred.min_free),
    ];
    for (key, bound) in octets {
        gauge!(LIMIT, "key" => key).set(bound.as_u64() as f64);
    }
}
