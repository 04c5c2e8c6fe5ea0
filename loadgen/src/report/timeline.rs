//! A run over time, as it stands in the report: what the clients saw, and what was seen of the
//! server.
use crate::{
    latency::Percentiles,
    scrape::{Figures, Sample},
    series::{Event, Line, Series, Stretch},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What happened when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeline {
    /// Seconds of a stretch.
    pub step: u64,
    /// Stretches of each kind of event, from the run's beginning.
    pub kinds: BTreeMap<String, Vec<Point>>,
    /// The server, about once a second.
    pub server: Vec<Watched>,
    /// Moments that stand out.
    pub marks: Vec<Mark>,
}

/// One stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Where it begins, in seconds from the run's beginning.
    pub at: f64,
    /// Events in it.
    pub count: u64,
    /// Octets of content they carried.
    pub octets: u64,
    /// How long they took, in milliseconds.
    pub latency_ms: Percentiles,
}

/// One look at the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// When, in seconds from the run's beginning.
    pub at: f64,
    /// Whether it answered.
    pub is_up: bool,
    /// Cores it used since the look before.
    pub cpu_cores: Option<f64>,
    /// Cores that the generator used since the look before.
    pub generator_cpu_cores: Option<f64>,
    /// Milliseconds of a commit since the look before, in the mean.
    pub commit_ms: Option<f64>,
    /// Milliseconds of a sync since the look before, in the mean.
    pub sync_ms: Option<f64>,
    /// What was seen.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A moment that stands out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When, in milliseconds from the run's beginning.
    pub at_ms: u64,
    /// `phase`, `killed` or `serving`.
    pub what: String,
    /// The name of the phase that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Timeline {
    /// The timeline of a run that counted `series` and looked `samples` times at its server.
    pub fn new(series: &Series, samples: &[Sample]) -> Self {
        let widths = series.lines().map(|(_, line)| line.stretches().width());
        let step = widths.max().unwrap_or(1);
        let kinds = series.lines();
        Self {
            step,
            kinds: kinds
                .map(|(kind, line)| (kind.name().to_owned(), points(line, step)))
                .collect(),
            server: watched(samples),
            marks: series.marks().iter().map(mark).collect(),
        }
    }

    /// When the server was killed, in seconds.
    pub fn kills(&self) -> impl Iterator<Item = f64> + '_ {
        let kills = self.marks.iter().filter(|mark| mark.what == "killed");
        kills.map(Mark::at)
    }
}

impl Timeline {
    /// From when to when the server was down, in seconds.
    pub fn outages(&self) -> Vec<(f64, f64)> {
        let mut outages = Vec::new();
        let mut begin = None;
        for mark in &self.marks {
            match mark.what.as_str() {
                "killed" => begin = begin.or(Some(mark.at())),
                "serving" => outages.extend(begin.take().map(|begin| (begin, mark.at()))),
                _ => {}
            }
        }
        outages
    }
}

impl Mark {
    /// When, in seconds from the run's beginning.
    pub fn at(&self) -> f64 {
        self.at_ms as f64 / 1000.0
    }
}

fn points(line: &Line, step: u64) -> Vec<Point> {
    let mut stretches = line.stretches().clone();
    stretches.widen_to(step);
    let point = |(place, stretch): (usize, &Stretch)| Point {
        at: (place as u64 * step) as f64,
        count: stretch.count(),
        octets: stretch.octets(),
        latency_ms: stretch.percentiles(),
    };
    stretches.all().iter().enumerate().map(point).collect()
}

fn mark(mark: &crate::series::Mark) -> Mark {
    let (what, name) = match &mark.what {
        Event::Phase(name) => ("phase", Some(name.clone())),
        Event::Killed => ("killed", None),
        Event::Serving => ("serving", None),
    };
    Mark {
        at_ms: mark.at.as_millis() as u64,
        what: what.to_owned(),
        name,
    }
}

/// What `samples` say, with what changed from each to the next.
pub fn watched(samples: &[Sample]) -> Vec<Watched> {
    let mut before: Option<&Sample> = None;
    let look = |sample| watched_after(before.replace(sample), sample);
    samples.iter().map(look).collect()
}

/// What `sample` says, and what changed since the one `before`.
pub fn watched_after(before: Option<&Sample>, sample: &Sample) -> Watched {
    let (at, figures) = (sample.at.as_secs_f64(), sample.figures);
    let last = before.map(|before| before.figures).unwrap_or_default();
    let passed = before.map(|before| sample.at.saturating_sub(before.at));
    let seconds = passed.filter(|passed| *passed > Duration::ZERO);
    let cores = |now, before| Some(grown(now, before)? / seconds?.as_secs_f64());
    let mean_ms = |time: Option<f64>, count: Option<f64>| {
        let count = count.filter(|count| *count > 0.0)?;
        Some(time? / count * 1000.0)
    };
    Watched {
        at,
        is_up: sample.is_up,
        cpu_cores: cores(figures.cpu_seconds, last.cpu_seconds),
        generator_cpu_cores: cores(figures.generator_cpu_seconds, last.generator_cpu_seconds),
        commit_ms: mean_ms(
            grown(figures.commit_seconds, last.commit_seconds),
            grown(figures.commits, last.commits),
        ),
        sync_ms: mean_ms(
            grown(figures.sync_seconds, last.sync_seconds),
            grown(figures.syncs, last.syncs),
        ),
        figures,
    }
}

/// By how much a figure that only grows has grown; `None` over a restart, where it began anew.
fn grown(now: Option<f64>, before: Option<f64>) -> Option<f64> {
    let growth = now? - before?;
    (growth >= 0.0).then_some(growth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Kind;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLI: Duration = Duration::from_millis(1);

    fn sample(second: u32, cpu: f64, commits: f64) -> Sample {
        Sample {
            at: second * SECOND,
            is_up: true,
            figures: Figures {
                cpu_seconds: Some(cpu),
                commits: Some(commits),
                commit_seconds: Some(commits * 0.002),
                ..Figures::default()
            },
        }
    }

    #[test]
    fn all_kinds_have_stretches_of_one_length() {
        let mut series = Series::default();
        series.record(Kind::Accept, 3 * SECOND, 10, MILLI);
        series.record(Kind::Deliver, 700 * SECOND, 20, MILLI);
        series.mark(SECOND, Event::Phase("accept".to_owned()));
        series.mark(2 * SECOND, Event::Killed);
        series.mark(4 * SECOND, Event::Serving);
        let timeline = Timeline::new(&series, &[]);
        assert_eq!(timeline.step, 2);
        let accepted = &timeline.kinds["accept"];
        assert_eq!((accepted[1].at, accepted[1].count), (2.0, 1));
        assert_eq!(timeline.kinds["deliver"][350].octets, 20);
        assert_eq!(timeline.kills().collect::<Vec<_>>(), [2.0]);
        assert_eq!(timeline.outages(), [(2.0, 4.0)]);
        assert_eq!(timeline.marks[0].name.as_deref(), Some("accept"));
    }

    #[test]
    fn what_grows_is_told_as_its_growth() {
        let samples = [sample(1, 1.0, 100.0), sample(3, 4.0, 200.0)];
        let seen = watched(&samples);
        assert_eq!(seen[0].cpu_cores, None);
        assert_eq!(seen[1].cpu_cores, Some(1.5));
        assert_eq!(seen[1].commit_ms.map(f64::round), Some(2.0));
        assert_eq!(seen[1].sync_ms, None);
    }

    #[test]
    fn restarted_server_has_no_growth_below_zero() {
        let seen = watched(&[sample(1, 9.0, 100.0), sample(2, 0.5, 3.0)]);
        assert_eq!((seen[1].cpu_cores, seen[1].commit_ms), (None, None));
    }

    #[test]
    fn document_is_read_as_it_was_written() {
        let mut series = Series::default();
        series.record(Kind::Accept, 3 * SECOND, 10, MILLI);
        let timeline = Timeline::new(&series, &[sample(1, 1.0, 2.0)]);
        let text = serde_json::to_string(&timeline).unwrap();
        assert_eq!(serde_json::from_str::<Timeline>(&text).unwrap(), timeline);
    }
}
