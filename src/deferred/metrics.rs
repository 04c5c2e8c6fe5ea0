//! What `/metrics` shows of deferred messages. Names, units and help texts stand here and
//! nowhere else.
use super::{Disposed, Envelope, Refusal, State, Stored, Totals, survey::Found};
use crate::{
    clock::Timestamp,
    identity::Address,
    store::{Damage, StoreError},
};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

const REFUSED: &str = "restante_deferred_refused_total";
const TOLD: &str = "restante_deferred_notifications_total";

/// Why messages are not stored, as [`Refusal::kind`] says it.
const REFUSALS: [&str; 10] = [
    "not_permitted",
    "unknown_receiver",
    "full",
    "too_large",
    "busy",
    "incomplete",
    "scattered",
    "bad_message_id",
    "interrupted",
    "store",
];

/// Handles taken once, so that the hot path pays no look-up.
#[derive(Clone)]
pub(super) struct Metrics {
    /// Messages stored.
    pub(super) stored: Counter,
    /// Octets of contents stored.
    pub(super) stored_octets: Counter,
    /// Messages submitted again and recognised.
    pub(super) duplicates: Counter,
    /// Messages that ended, by how.
    confirmed: Counter,
    expired: Counter,
    revoked: Counter,
    dropped: Counter,
    damaged: Counter,
    /// Transfers that broke.
    pub(super) released: Counter,
    /// Deposits given up before they were complete.
    pub(super) abandoned: Counter,
    /// News of arrival held back because a neighbour's mailbox was full.
    pub(super) news_held: Counter,
    waited: Histogram,
    durable: Histogram,
    told_stored: Counter,
    told_failed: Counter,
    messages: Gauge,
    octets: Gauge,
    deposits: Gauge,
    transfers: Gauge,
    chores: Gauge,
    overdue: Gauge,
    oldest: Gauge,
    mailboxes: Gauge,
    fullest: Gauge,
    /// Since when the oldest message waits.
    since: Arc<Mutex<Option<Timestamp>>>,
}

impl Metrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe();
        let gone = |how: &'static str| counter!("restante_deferred_gone_total", "how" => how);
        for reason in REFUSALS {
            counter!(REFUSED, "reason" => reason).increment(0);
        }
        Self {
            stored: counter!("restante_deferred_stored_total"),
            stored_octets: counter!("restante_deferred_stored_bytes_total"),
            duplicates: counter!("restante_deferred_duplicates_total"),
            confirmed: gone("confirmed"),
            expired: gone("expired"),
            revoked: gone("revoked"),
            dropped: gone("dropped"),
            damaged: counter!("restante_deferred_damaged_total"),
            released: counter!("restante_deferred_released_total"),
            abandoned: counter!("restante_deferred_abandoned_total"),
            news_held: counter!("restante_deferred_news_held_total"),
            waited: histogram!("restante_deferred_waited_seconds"),
            durable: histogram!("restante_deferred_durable_seconds"),
            told_stored: counter!(TOLD, "disposition" => "stored"),
            told_failed: counter!(TOLD, "disposition" => "failed"),
            messages: gauge!("restante_deferred_messages"),
            octets: gauge!("restante_deferred_bytes"),
            deposits: gauge!("restante_deferred_deposits"),
            transfers: gauge!("restante_deferred_transfers"),
            chores: gauge!("restante_deferred_chores"),
            overdue: gauge!("restante_deferred_overdue_seconds"),
            oldest: gauge!("restante_deferred_oldest_seconds"),
            mailboxes: gauge!("restante_deferred_mailboxes"),
            fullest: gauge!("restante_deferred_fullest_messages"),
            since: Arc::default(),
        }
    }

    /// Counts a message that was not stored.
    pub(super) fn refused(&self, refusal: &Refusal) {
        counter!(REFUSED, "reason" => refusal.kind()).increment(1);
    }

    /// Tells of messages that a damaged disk keeps from their reader.
    pub(super) fn damaged(&self, recipient: &Address, damage: &Damage) {
        self.damaged.increment(1);
        let (what, alone) = (&damage.what, damage.is_value);
        tracing::error!(%recipient, what, alone, "messages cannot be read; see `restante store verify`");
    }

    /// Tells of an envelope that is none.
    pub(super) fn unreadable(&self, recipient: &Address, error: &StoreError) {
        self.damaged.increment(1);
        tracing::error!(%recipient, %error, "a message cannot be read; see `restante store verify`");
    }

    /// Counts what became of a complete message.
    pub(super) fn deposited(&self, outcome: &Result<Stored, Refusal>, octets: u64, took: Duration) {
        match outcome {
            Ok(Stored {
                duplicate: true, ..
            }) => self.duplicates.increment(1),
            Ok(_) => {
                self.stored.increment(1);
                self.stored_octets.increment(octets);
                self.durable.record(took);
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Counts a message that has left its mailbox.
    pub(super) fn gone(&self, last: State, envelope: &Envelope, now: Timestamp) {
        match last {
            State::Confirmed => self.confirmed(envelope, now),
            State::Expired => self.expired.increment(1),
            State::Dropped => self.dropped.increment(1),
            _ => self.revoked.increment(1),
        }
    }

    /// Counts a message that its receiver has.
    fn confirmed(&self, envelope: &Envelope, now: Timestamp) {
        self.confirmed.increment(1);
        self.waited.record(now.since(envelope.stored_at));
    }

    /// Counts what a sender is told of a message.
    pub(super) fn told(&self, disposition: Disposed) {
        match disposition {
            Disposed::Stored => self.told_stored.increment(1),
            _ => self.told_failed.increment(1),
        }
    }

    /// Takes note of what a walk over all mailboxes has found.
    pub(super) fn surveyed(&self, found: Found) {
        self.mailboxes.set(found.mailboxes as f64);
        self.fullest.set(found.fullest as f64);
        *self.since.lock() = found.oldest;
    }

    /// Shows how long the oldest message has been waiting at `now`.
    pub(super) fn age(&self, now: Timestamp) {
        let age = self.since.lock().map(|since| now.since(since));
        self.oldest.set(age.unwrap_or_default().as_secs_f64());
    }

    /// Shows for how long the message that should have expired first is overdue.
    pub(super) fn overdue(&self, overdue: Duration) {
        self.overdue.set(overdue.as_secs_f64());
    }

    /// Shows what is on its way, and what is left to clean up.
    pub(super) fn under_way(&self, transfers: usize, chores: usize) {
        self.transfers.set(transfers as f64);
        self.chores.set(chores as f64);
    }

    /// Shows what waits and what is being received.
    pub(super) fn level(&self, totals: Totals, deposits: usize) {
        self.messages.set(totals.messages as f64);
        self.octets.set(totals.octets as f64);
        self.deposits.set(deposits as f64);
    }
}

fn describe() {
    let counters = [
        ("restante_deferred_stored_total", "Messages stored"),
        (
            "restante_deferred_duplicates_total",
            "Messages submitted again and recognised",
        ),
        (
            "restante_deferred_gone_total",
            "Messages that left their mailbox, by how",
        ),
        (REFUSED, "Messages not stored, by reason"),
        (
            TOLD,
            "Notifications made for senders who asked what became of their messages",
        ),
        ("restante_deferred_released_total", "Transfers that broke"),
        (
            "restante_deferred_damaged_total",
            "Times that a damaged disk kept messages from their reader",
        ),
        (
            "restante_deferred_abandoned_total",
            "Deposits given up before they were complete",
        ),
        (
            "restante_deferred_news_held_total",
            "News of arrival held back because a neighbour was full",
        ),
    ];
    for (name, help) in counters {
        describe_counter!(name, Unit::Count, help);
    }
    describe_counter!(
        "restante_deferred_stored_bytes_total",
        Unit::Bytes,
        "Octets of contents stored"
    );
    describe_histogram!(
        "restante_deferred_waited_seconds",
        Unit::Seconds,
        "Time a message waited, from stored to confirmed by its receiver"
    );
    describe_histogram!(
        "restante_deferred_durable_seconds",
        Unit::Seconds,
        "Time from the last octet of a message to its being durable"
    );
    describe_levels();
}

fn describe_levels() {
    let gauges = [
        (
            "restante_deferred_transfers",
            Unit::Count,
            "Messages on their way to their receivers",
        ),
        (
            "restante_deferred_chores",
            Unit::Count,
            "Things left to clean up or to tell behind messages that are gone",
        ),
        (
            "restante_deferred_mailboxes",
            Unit::Count,
            "Mailboxes in which something waits, as of the last walk over all of them",
        ),
        (
            "restante_deferred_fullest_messages",
            Unit::Count,
            "Messages in the fullest mailbox, as of the last walk over all of them",
        ),
        (
            "restante_deferred_oldest_seconds",
            Unit::Seconds,
            "For how long the oldest message has been waiting, as of the last walk over all mailboxes",
        ),
        (
            "restante_deferred_overdue_seconds",
            Unit::Seconds,
            "For how long the message that should have expired first is overdue",
        ),
    ];
    for (name, unit, help) in gauges {
        describe_gauge!(name, unit, help);
    }
    describe_gauge!(
        "restante_deferred_messages",
        Unit::Count,
        "Messages waiting"
    );
    describe_gauge!(
        "restante_deferred_bytes",
        Unit::Bytes,
        "Octets of contents waiting"
    );
    describe_gauge!(
        "restante_deferred_deposits",
        Unit::Count,
        "Messages being received"
    );
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
            metrics.stored.increment(1);
            metrics.expired.increment(1);
            metrics.refused(&Refusal::NotPermitted);
            let totals = Totals {
                messages: 2,
                octets: 300,
            };
            metrics.level(totals, 1);
        });
        let text = recorder.handle().render();
        for line in [
            "restante_deferred_stored_total 1",
            "restante_deferred_gone_total{how=\"expired\"} 1",
            "restante_deferred_refused_total{reason=\"not_permitted\"} 1",
            "restante_deferred_messages 2",
            "restante_deferred_bytes 300",
            "restante_deferred_deposits 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
