//! What happens too often to tell the recorder each time.
use super::metrics::{Metrics, RESPONSES};
use std::cell::Cell;

/// The figures of one shard, told now and then.
#[derive(Debug, Default)]
pub struct Tally {
    chunks: Cell<u64>,
    octets: Cell<u64>,
    responses: [Cell<u64>; RESPONSES.len()],
    shown: Cell<Level>,
}

/// How the connections of one shard are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Octets that wait for their sockets.
    pub queued: u64,
    /// Connections that are not read for now.
    pub paused: u64,
    /// Times that reading was stopped since the last look.
    pub stops: u64,
}

impl Tally {
    /// Counts SENDs that came in and went on.
    pub fn passed(&self, chunks: u64, octets: u64) {
        self.chunks.set(self.chunks.get() + chunks);
        self.octets.set(self.octets.get() + octets);
    }

    /// Counts a response received.
    pub fn response(&self, code: u16) {
        let place = match code {
            200 => 0,
            400 => 1,
            401 => 2,
            403 => 3,
            404 => 4,
            408 => 5,
            413 => 6,
            415 => 7,
            423 => 8,
            424 => 9,
            425 => 10,
            428 => 11,
            481 => 12,
            501 => 13,
            506 => 14,
            _ => RESPONSES.len() - 1,
        };
        let count = &self.responses[place];
        count.set(count.get() + 1);
    }

    /// Tells `metrics` what was counted since the last time.
    pub fn settle(&self, metrics: &Metrics) {
        let (chunks, octets) = (self.chunks.take(), self.octets.take());
        if chunks > 0 || octets > 0 {
            metrics.chunks_in.increment(chunks);
            metrics.chunks_out.increment(chunks);
            metrics.octets_in.increment(octets);
            metrics.octets_out.increment(octets);
        }
        for (count, counter) in self.responses.iter().zip(&metrics.responses) {
            if count.get() > 0 {
                counter.increment(count.take());
            }
        }
    }

    /// Shows how the connections are now; the other shards show theirs in the same figures.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; 2^53 octets are enough"
    )]
    pub fn level(&self, metrics: &Metrics, level: Level) {
        let before = self.shown.replace(level);
        metrics
            .queued
            .increment(level.queued as f64 - before.queued as f64);
        metrics
            .paused
            .increment(level.paused as f64 - before.paused as f64);
        metrics.pauses.increment(level.stops);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn shards_show_their_levels_in_the_same_figures() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::register();
            let (one, two) = (Tally::default(), Tally::default());
            let level = |queued, paused, stops| Level {
                queued,
                paused,
                stops,
            };
            one.level(&metrics, level(500, 2, 3));
            two.level(&metrics, level(70, 1, 1));
            one.level(&metrics, level(20, 0, 1));
        });
        let text = recorder.handle().render();
        for line in [
            "restante_msrp_queued_bytes 90",
            "restante_msrp_paused_connections 1",
            "restante_msrp_reader_pauses_total 5",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
