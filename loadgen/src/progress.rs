//! How far the run is: a bar on a terminal, a plain line now and then elsewhere.
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of one phase.
pub struct Progress {
    name: &'static str,
    total: u64,
    begun: Instant,
    last: (Instant, u64),
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Begins a phase of `total` steps at `now`.
    pub fn begin(name: &'static str, total: u64, quiet: bool, now: Instant) -> Self {
        let shown = match (quiet, stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(bar(name, total)),
            (false, false) => Shown::Lines,
        };
        Self {
            name,
            total,
            begun: now,
            last: (now, 0),
            shown,
        }
    }

    /// Shows that `done` steps are done.
    pub fn at(&mut self, done: u64, now: Instant) {
        match &self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines if now.duration_since(self.last.0) >= LINE_EVERY => {
                eprintln!("{}", self.line(done, now));
                self.last = (now, done);
            }
            Shown::Lines | Shown::Nothing => {}
        }
    }

    /// Ends the phase with `done` steps done.
    pub fn end(mut self, done: u64, now: Instant) {
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_position(done);
                bar.finish();
            }
            Shown::Lines => {
                self.last = (self.begun, 0);
                eprintln!("{}", self.line(done, now));
            }
            Shown::Nothing => {}
        }
    }

    fn line(&self, done: u64, now: Instant) -> String {
        let since_last = now.duration_since(self.last.0).as_secs_f64();
        let rate = match since_last > 0.0 {
            true => done.saturating_sub(self.last.1) as f64 / since_last,
            false => 0.0,
        };
        let elapsed = now.duration_since(self.begun).as_secs_f64();
        let (name, total) = (self.name, self.total);
        format!("{name:<9} {elapsed:>6.1} s  {done} of {total}  {rate:.0}/s")
    }
}

fn bar(name: &'static str, total: u64) -> ProgressBar {
    let template = "{msg:<9} {bar:36.green} {pos}/{len}  {per_sec}  {elapsed}, {eta} to go";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(name);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_tells_the_rate_since_the_line_before() {
        let begun = Instant::now();
        let mut progress = Progress::begin("accept", 100, true, begun);
        progress.last = (begun + Duration::from_secs(5), 20);
        let line = progress.line(70, begun + Duration::from_secs(10));
        assert_eq!(line, "accept      10.0 s  70 of 100  10/s");
    }
}
