use super::own::ProcessMetrics;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// How often samples of histograms are folded into their buckets; without it they pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper ends of the buckets of every `_seconds` histogram: half a millisecond to a minute.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];

/// The time of one read's work in the MSRP room.
const TURN: &str = "restante_msrp_turn_seconds";
/// Upper ends of its buckets: two microseconds to a tenth of a second.
const TURN_SECONDS: &[f64] = &[
    0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005,
    0.02, 0.1,
];

/// The time a message waited for its reader.
const WAITED: &str = "restante_deferred_waited_seconds";
/// Upper ends of its buckets: a tenth of a second to a month.
const WAITED_SECONDS: &[f64] = &[
    0.1,
    0.5,
    1.0,
    5.0,
    30.0,
    120.0,
    600.0,
    3_600.0,
    21_600.0,
    86_400.0,
    259_200.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
];

/// Upper ends of the buckets of every `_bytes` histogram: 256 octets to 1 GiB, by four.
const BYTES: &[f64] = &[
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

/// Upper ends of the buckets of all other histograms: counts, like operations in a commit.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// Sets gauges that are read where they stand, instead of being counted all the time.
type Look = Box<dyn Fn() + Send>;

/// The figures of this process.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
    process: Arc<ProcessMetrics>,
    looks: Arc<Mutex<Vec<Look>>>,
}

/// Why no recorder could be installed.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// A recorder is installed already, or the buckets are wrong.
    #[error("cannot record metrics: {0}")]
    Build(#[from] BuildError),
}

impl Recorder {
    /// Puts a recorder in force for this process. To be called before any room takes its handles.
    ///
    /// Errors: `Build` if another recorder is in force.
    pub fn install() -> Result<Self, RecorderError> {
        let handle = builder()?.install_recorder()?;
        describe_gauge!(
            "restante_build_info",
            Unit::Count,
            "Always 1; which version this is"
        );
        gauge!("restante_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        Ok(Self {
            handle,
            process: Arc::new(ProcessMetrics::register()),
            looks: Arc::default(),
        })
    }

    /// Has `look` called whenever the figures are asked for: it sets the gauges that are read
    /// where they stand. It must not take long.
    pub fn before_render(&self, look: impl Fn() + Send + 'static) {
        self.looks.lock().push(Box::new(look));
    }

    /// Everything recorded, in Prometheus' text form.
    pub fn render(&self) -> String {
        for look in &*self.looks.lock() {
            look();
        }
        let fractions = self.process.refresh();
        let mut text = self.handle.render();
        text.push_str(&fractions);
        text
    }

    /// Folds histogram samples for as long as the process lives, in a thread of its own.
    ///
    /// Errors: those of starting a thread.
    pub fn keep_up(&self) -> std::io::Result<()> {
        let handle = self.handle.clone();
        let thread = std::thread::Builder::new().name("metrics".into());
        thread.spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                handle.run_upkeep();
            }
        })?;
        Ok(())
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(TURN.into()), TURN_SECONDS)?
        .set_buckets_for_metric(Matcher::Full(WAITED.into()), WAITED_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BYTES)?
        .set_buckets(COUNTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::histogram;

    #[test]
    fn histograms_are_shown_as_buckets_of_their_unit() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            histogram!("restante_commit_seconds").record(0.002);
            histogram!("restante_message_bytes").record(5000.0);
            histogram!("restante_commit_operations").record(3.0);
        });
        let text = recorder.handle().render();
        for line in [
            "restante_commit_seconds_bucket{le=\"0.0025\"} 1",
            "restante_message_bytes_bucket{le=\"16384\"} 1",
            "restante_commit_operations_bucket{le=\"4\"} 1",
        ] {
            assert!(text.contains(line), "{line} missing in {text}");
        }
    }
}
