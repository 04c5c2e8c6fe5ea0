//! What `/metrics` shows of the participating function.
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

const REFUSED: &str = "restante_requests_refused_total";
const NOTIFICATIONS: &str = "restante_notifications_total";
const ONWARD: &str = "restante_onward_calls_total";

/// Reasons that are shown before they are first met. The rooms below have more of them.
const REASONS: [&str; 10] = [
    "busy",
    "full",
    "too_large",
    "unknown_receiver",
    "not_permitted",
    "no_receiver",
    "max_sessions",
    "max_subscriptions",
    "next_server",
    "store",
];

/// Handles taken once.
#[derive(Clone)]
pub struct Metrics {
    sessions: Gauge,
    subscriptions: Gauge,
    channels: Gauge,
    /// Messages handed to a device that was there, by MESSAGE.
    pub live_pager: Counter,
    /// Calls joined to a device that was there.
    pub live_channel: Counter,
    /// Messages kept for later that came by MESSAGE.
    pub kept_pager: Counter,
    /// Messages kept for later that came over a channel.
    pub kept_channel: Counter,
    /// Waiting messages handed over by MESSAGE.
    pub handed_pager: Counter,
    /// Waiting messages handed over through a channel.
    pub handed_channel: Counter,
    /// Messages to groups of which the members have been made a copy each.
    pub circulated: Counter,
    legs: Gauge,
    /// Mailboxes that wait in line to be handed over.
    pub drains_waiting: Gauge,
    /// Drains begun after a login.
    pub drains: Counter,
    /// Drains that broke off.
    pub drains_broken: Counter,
    /// Mailboxes that are being handed over.
    pub drains_running: Gauge,
    /// Time a mailbox waited in line.
    pub drain_wait: Histogram,
    /// Time of one turn of a drain.
    pub drain_time: Histogram,
}

/// Counts one open call or subscription for as long as it lives, however it ends.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

impl Metrics {
    /// Registers with the recorder in force.
    pub fn register() -> Self {
        describe();
        for reason in REASONS {
            counter!(REFUSED, "reason" => reason).increment(0);
        }
        for outcome in ["live", "kept", "declined", "refused"] {
            counter!(NOTIFICATIONS, "outcome" => outcome).increment(0);
        }
        for how in ["opened", "reused"] {
            counter!(ONWARD, "channel" => how).increment(0);
        }
        let delivered =
            |way, mode| counter!("restante_messages_delivered_total", "way" => way, "mode" => mode);
        let kept = |mode| counter!("restante_messages_deferred_total", "mode" => mode);
        Self {
            sessions: gauge!("restante_sessions"),
            subscriptions: gauge!("restante_subscriptions"),
            channels: gauge!("restante_onward_channels"),
            live_pager: delivered("live", "pager"),
            live_channel: delivered("live", "channel"),
            kept_pager: kept("pager"),
            kept_channel: kept("channel"),
            handed_pager: delivered("deferred", "pager"),
            handed_channel: delivered("deferred", "channel"),
            circulated: counter!("restante_group_messages_total"),
            legs: gauge!("restante_group_legs"),
            drains_waiting: gauge!("restante_drains_waiting"),
            drains: counter!("restante_drains_total"),
            drains_broken: counter!("restante_drains_broken_total"),
            drains_running: gauge!("restante_drains_running"),
            drain_wait: histogram!("restante_drain_wait_seconds"),
            drain_time: histogram!("restante_drain_seconds"),
        }
    }

    /// Counts a call until the result is dropped.
    pub fn open_session(&self) -> Open {
        open(&self.sessions)
    }

    /// Counts the leg of a member to a group until the result is dropped.
    pub fn open_leg(&self) -> Open {
        open(&self.legs)
    }

    /// Counts a channel to another server until the result is dropped.
    pub fn open_channel(&self) -> Open {
        open(&self.channels)
    }

    /// Counts a call that goes on to another server by how it got its channel.
    pub fn channel(&self, how: &'static str) {
        counter!(ONWARD, "channel" => how).increment(1);
    }

    /// Counts a subscription until the result is dropped.
    pub fn open_subscription(&self) -> Open {
        open(&self.subscriptions)
    }

    /// Counts a refused request by its reason.
    pub fn refused(&self, reason: &'static str) {
        counter!(REFUSED, "reason" => reason).increment(1);
    }

    /// Counts a notification from a device by what became of it.
    pub fn notifications(&self, outcome: &'static str) {
        counter!(NOTIFICATIONS, "outcome" => outcome).increment(1);
    }
}

fn open(gauge: &Gauge) -> Open {
    gauge.increment(1);
    Open(gauge.clone())
}

fn describe() {
    describe_gauge!(
        "restante_sessions",
        Unit::Count,
        "Open calls with a channel"
    );
    describe_gauge!(
        "restante_subscriptions",
        Unit::Count,
        "Live mailbox subscriptions"
    );
    describe_gauge!(
        "restante_group_legs",
        Unit::Count,
        "Members of groups with a channel open"
    );
    describe_counter!(
        "restante_group_messages_total",
        Unit::Count,
        "Messages to groups of which the members were made a copy each"
    );
    describe_gauge!(
        "restante_onward_channels",
        Unit::Count,
        "Open channels to other servers"
    );
    describe_counter!(
        "restante_onward_calls_total",
        Unit::Count,
        "Calls that went on to another server, by how they got their channel"
    );
    describe_counter!(
        "restante_messages_delivered_total",
        Unit::Count,
        "Messages handed to a device: at once (live) or from the store (deferred)"
    );
    describe_counter!(
        "restante_messages_deferred_total",
        Unit::Count,
        "Messages made durable for a receiver who was away, by mode"
    );
    describe_counter!(
        "restante_requests_refused_total",
        Unit::Count,
        "SIP requests refused by the participating function, by reason"
    );
    describe_gauge!(
        "restante_drains_waiting",
        Unit::Count,
        "Mailboxes waiting in line to be handed over (participating.max_drains)"
    );
    describe_counter!(
        "restante_notifications_total",
        Unit::Count,
        "Disposition notifications from devices, by what became of them"
    );
    describe_counter!(
        "restante_drains_total",
        Unit::Count,
        "Handovers of a mailbox begun after a login"
    );
    describe_counter!(
        "restante_drains_broken_total",
        Unit::Count,
        "Handovers of a mailbox that broke off before it was empty"
    );
    describe_gauge!(
        "restante_drains_running",
        Unit::Count,
        "Mailboxes being handed over"
    );
    describe_histogram!(
        "restante_drain_wait_seconds",
        Unit::Seconds,
        "Time a mailbox waited in line to be handed over"
    );
    describe_histogram!(
        "restante_drain_seconds",
        Unit::Seconds,
        "Time one turn of the handover of a mailbox took, without the wait in line"
    );
}
