//! What happened when: for every kind of event its sums over the whole run, and its counts and
//! times stretch by stretch.
//!
//! It knows no clock; moments are counted from the run's beginning. It grows to a bound and no
//! further, however long the run is: stretches are a second long at first, and twice as long each
//! time there are too many of them. Threads may each fill one of their own; `add` puts them together.
mod kind;
mod line;
mod stretch;

pub use kind::Kind;
pub use line::Line;
pub use stretch::{Stretch, Stretches};

use std::time::Duration;

/// Events of a run that are told apart in its charts.
const MARKS: usize = 1000;

/// All events of a run.
#[derive(Clone, Debug, Default)]
pub struct Series {
    lines: [Option<Box<Line>>; Kind::ALL.len()],
    marks: Vec<Mark>,
}

/// One moment that stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, from the run's beginning.
    pub at: Duration,
    /// What happened.
    pub what: Event,
}

/// What may stand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A phase began that is called so.
    Phase(String),
    /// The server was killed.
    Killed,
    /// The server answers again.
    Serving,
}

impl Series {
    /// Notes that something of `kind` ended at `at`, took `took` and carried `octets` of content.
    pub fn record(&mut self, kind: Kind, at: Duration, octets: u64, took: Duration) {
        self.line_mut(kind).record(at, octets, took);
    }

    /// Notes how long something of `kind` took from when it really began; for work that follows a
    /// schedule, where [`Self::record`] is told the time since it was due.
    pub fn record_service(&mut self, kind: Kind, took: Duration) {
        self.line_mut(kind).record_service(took);
    }

    /// Notes a moment that stands out; after the first thousand no more are kept.
    pub fn mark(&mut self, at: Duration, what: Event) {
        if self.marks.len() < MARKS {
            self.marks.push(Mark { at, what });
        }
    }

    /// Adds what another thread noted.
    pub fn add(&mut self, other: &Self) {
        for kind in Kind::ALL {
            if let Some(line) = other.line(kind) {
                self.line_mut(kind).add(line);
            }
        }
        for mark in &other.marks {
            self.mark(mark.at, mark.what.clone());
        }
        self.marks.sort_by_key(|mark| mark.at);
    }

    /// Everything of `kind`; `None` if there was nothing.
    pub fn line(&self, kind: Kind) -> Option<&Line> {
        self.lines[kind as usize].as_deref()
    }

    /// How many of `kind` there were.
    pub fn count(&self, kind: Kind) -> u64 {
        self.line(kind).map_or(0, Line::count)
    }

    /// The kinds there are, with everything of each.
    pub fn lines(&self) -> impl Iterator<Item = (Kind, &Line)> {
        let lines = Kind::ALL.into_iter().zip(&self.lines);
        lines.filter_map(|(kind, line)| Some((kind, line.as_deref()?)))
    }

    /// The moments that stand out, in the order of time.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    fn line_mut(&mut self, kind: Kind) -> &mut Line {
        self.lines[kind as usize].get_or_insert_with(Box::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn kinds_are_kept_apart() {
        let mut series = Series::default();
        series.record(Kind::Accept, SECOND, 100, MILLI);
        series.record(Kind::Accept, SECOND, 100, MILLI);
        series.record(Kind::Refused, SECOND, 0, MILLI);
        assert_eq!(series.count(Kind::Accept), 2);
        assert_eq!(series.count(Kind::Refused), 1);
        assert_eq!(series.count(Kind::Deliver), 0);
        let kinds: Vec<Kind> = series.lines().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [Kind::Accept, Kind::Refused]);
    }

    #[test]
    fn threads_add_up_and_marks_stand_in_order() {
        let mut one = Series::default();
        one.record(Kind::Deliver, SECOND, 5, MILLI);
        one.mark(3 * SECOND, Event::Killed);
        let mut other = Series::default();
        other.record(Kind::Deliver, SECOND, 7, MILLI);
        other.mark(2 * SECOND, Event::Phase("deliver".to_owned()));
        one.add(&other);
        let line = one.line(Kind::Deliver).unwrap();
        assert_eq!((line.count(), line.octets()), (2, 12));
        assert_eq!(one.marks()[1].what, Event::Killed);
    }

    #[test]
    fn marks_have_a_bound() {
        let mut series = Series::default();
        (0..5000).for_each(|second| series.mark(second * SECOND, Event::Killed));
        assert_eq!(series.marks().len(), 1000);
    }
}
