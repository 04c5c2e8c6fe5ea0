//! What the process shows of itself, named as every Prometheus client names it.
use super::process::{cpu_by_thread, figures_of, open_files_limit, started_at};
use metrics::{Gauge, Unit, describe_gauge, gauge};
use std::fmt::Write;

/// Gauges that are set whenever somebody looks.
pub(super) struct ProcessMetrics {
    resident: Gauge,
    peak: Gauge,
    mapped: Gauge,
    open_files: Gauge,
    open_files_limit: Gauge,
    threads: Gauge,
    started: Gauge,
}

impl ProcessMetrics {
    /// Registers with the recorder in force.
    pub(super) fn register() -> Self {
        describe();
        Self {
            resident: gauge!("process_resident_memory_bytes"),
            peak: gauge!("process_resident_memory_max_bytes"),
            mapped: gauge!("process_virtual_memory_bytes"),
            open_files: gauge!("process_open_fds"),
            open_files_limit: gauge!("process_max_fds"),
            threads: gauge!("process_threads"),
            started: gauge!("process_start_time_seconds"),
        }
    }

    /// Looks, and returns what a recorder cannot hold: counters with a fraction, as text.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; 2^53 octets are enough"
    )]
    pub(super) fn refresh(&self) -> String {
        let own = std::process::id();
        let Some(figures) = figures_of(own) else {
            return String::new();
        };
        self.resident.set(figures.resident as f64);
        self.peak.set(figures.peak_resident as f64);
        self.mapped.set(figures.mapped as f64);
        self.open_files.set(figures.open_files as f64);
        self.threads.set(figures.threads as f64);
        let most = open_files_limit(own).map_or(f64::INFINITY, |most| most as f64);
        self.open_files_limit.set(most);
        self.started.set(started_at(own).unwrap_or_default());

        let mut text = String::with_capacity(1024);
        let name = "process_cpu_seconds_total";
        head(&mut text, name, "Processor time used, all threads together");
        // writing to a String never fails
        let _ = writeln!(text, "{name} {:.2}\n", figures.cpu.as_secs_f64());
        let name = "restante_thread_cpu_seconds_total";
        head(
            &mut text,
            name,
            "Processor time used, by the name of the thread",
        );
        for (thread, used) in cpu_by_thread(own) {
            let used = used.as_secs_f64();
            let _ = writeln!(text, "{name}{{thread=\"{}\"}} {used:.2}", label(&thread));
        }
        text
    }
}

fn describe() {
    let octets = [
        ("process_resident_memory_bytes", "Resident memory"),
        (
            "process_resident_memory_max_bytes",
            "The most resident memory there ever was",
        ),
        ("process_virtual_memory_bytes", "Address space"),
    ];
    for (name, help) in octets {
        describe_gauge!(name, Unit::Bytes, help);
    }
    let counts = [
        ("process_open_fds", "Open file descriptors"),
        (
            "process_max_fds",
            "Most file descriptors that may be open (`ulimit -n`)",
        ),
        ("process_threads", "Threads"),
    ];
    for (name, help) in counts {
        describe_gauge!(name, Unit::Count, help);
    }
    describe_gauge!(
        "process_start_time_seconds",
        Unit::Seconds,
        "When the process was started, since 1970"
    );
}

fn head(text: &mut String, name: &str, help: &str) {
    // writing to a String never fails
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
}

/// The value of a label as the text form wants it.
fn label(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\");
    escaped.replace('"', "\\\"").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn process_time_is_told_with_its_fraction_and_by_thread() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let text = metrics::with_local_recorder(&recorder, || ProcessMetrics::register().refresh());
        let total = text
            .lines()
            .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
        assert!(total.unwrap().contains('.'), "{text}");
        assert!(
            text.contains("restante_thread_cpu_seconds_total{thread=\""),
            "{text}"
        );
        let gauges = recorder.handle().render();
        assert!(gauges.contains("process_max_fds "), "{gauges}");
    }
}
