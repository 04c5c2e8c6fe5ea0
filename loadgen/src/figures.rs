//! Rates and latencies of one phase of a run.
use hdrhistogram::Histogram;
use std::{fmt, time::Duration};

/// Longest latency told apart: ten minutes, in microseconds.
const LONGEST: u64 = 600_000_000;

/// What one phase came to.
pub struct Figures {
    name: &'static str,
    latencies: Histogram<u64>,
    octets: u64,
    failures: u64,
    took: Duration,
    server_cpu: Option<Duration>,
}

impl Figures {
    /// Nothing measured yet.
    ///
    /// Panics: never, the bounds of the histogram are constants that fit.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            latencies: Histogram::new_with_bounds(1, LONGEST, 3)
                .expect("1 < LONGEST / 2, and 3 digits are allowed"),
            octets: 0,
            failures: 0,
            took: Duration::ZERO,
            server_cpu: None,
        }
    }

    /// A message of `octets` octets took `latency`.
    pub fn succeeded(&mut self, latency: Duration, octets: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST);
        self.latencies.saturating_record(micros.max(1));
        self.octets += octets;
    }

    /// A message did not get through.
    pub fn failed(&mut self) {
        self.failures += 1;
    }

    /// Messages that got through.
    pub fn messages(&self) -> u64 {
        self.latencies.len()
    }

    /// The phase is over after `took`; the server used `server_cpu` meanwhile, if that is known.
    pub fn finish(&mut self, took: Duration, server_cpu: Option<Duration>) {
        self.took = took;
        self.server_cpu = server_cpu;
    }

    fn percentile(&self, percent: f64) -> String {
        let micros = self.latencies.value_at_percentile(percent);
        let latency = Duration::from_micros(micros);
        format!("{:.1} ms", latency.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for Figures {
    #[expect(clippy::cast_precision_loss, reason = "rates are for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64().max(1e-6);
        let messages = self.messages();
        let rate = messages as f64 / seconds;
        let mebibytes = self.octets as f64 / seconds / f64::from(1 << 20);
        writeln!(f, "{}", self.name)?;
        writeln!(
            f,
            "  messages    {messages} in {seconds:.2} s, {} failed",
            self.failures
        )?;
        writeln!(
            f,
            "  rate        {rate:.0} messages/s, {mebibytes:.1} MiB/s"
        )?;
        let [median, ninety, ninety_nine, most] =
            [50.0, 90.0, 99.0, 100.0].map(|percent| self.percentile(percent));
        write!(
            f,
            "  latency     p50 {median}, p90 {ninety}, p99 {ninety_nine}, max {most}"
        )?;
        if let (Some(cpu), true) = (self.server_cpu, messages > 0) {
            let per_thousand = cpu.as_secs_f64() * 1000.0 / messages as f64;
            let share = cpu.as_secs_f64() / seconds * 100.0;
            write!(
                f,
                "\n  server CPU  {per_thousand:.3} s per 1000 messages, {share:.0} % of one core"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_tells_rate_latency_and_processor_time() {
        let mut figures = Figures::new("offline-send");
        for millis in 1..=100 {
            figures.succeeded(Duration::from_millis(millis), 2048);
        }
        figures.finish(Duration::from_secs(2), Some(Duration::from_millis(500)));
        let text = figures.to_string();
        for part in [
            "50 messages/s",
            "p50 50",
            "p99 99",
            "5.000 s per 1000",
            "25 % of one core",
        ] {
            assert!(text.contains(part), "{part} missing in {text}");
        }
    }
}
