//! The terminal: a bar for the phase, and below it a line for each kind of event, the server and
//! the load generator.
use super::{Extent, Phase, Shot};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

const STEPS: &str = "{prefix:<9.bold} {bar:36.green} {pos}/{len}  {elapsed}, {eta} to go";
const TIME: &str = "{prefix:<9.bold} {bar:36.green} {msg}  {elapsed}, {eta} to go";

/// The lines on the terminal.
pub(super) struct Screen {
    all: MultiProgress,
    bar: ProgressBar,
    lines: Vec<ProgressBar>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5)),
            bar: ProgressBar::hidden(),
            lines: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, name: &str, extent: Extent) {
        let (length, template) = match extent {
            Extent::Steps(steps) => (steps, STEPS),
            Extent::Time(time) => (time.as_millis() as u64, TIME),
        };
        self.bar = self.all.add(ProgressBar::new(length));
        self.bar.set_style(style(template));
        self.bar.set_prefix(name.to_owned());
    }

    pub(super) fn show(&mut self, phase: &Phase, shot: Shot) {
        self.advance(phase, &shot);
        let texts = shot.texts;
        for line in self.lines.drain(texts.len().min(self.lines.len())..) {
            line.finish_and_clear();
        }
        while self.lines.len() < texts.len() {
            let line = self.all.add(ProgressBar::new_spinner());
            line.set_style(style("{msg}"));
            self.lines.push(line);
        }
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(text);
        }
    }

    pub(super) fn end(&mut self) {
        for line in self.lines.drain(..) {
            line.finish_and_clear();
        }
        self.bar.abandon();
    }

    fn advance(&self, phase: &Phase, shot: &Shot) {
        match phase.extent {
            Extent::Steps(steps) => {
                self.bar.set_length(steps.max(shot.done));
                self.bar.set_position(shot.done);
            }
            Extent::Time(time) => {
                let passed = shot.now.saturating_sub(phase.begun).min(time);
                self.bar.set_position(passed.as_millis() as u64);
                self.bar.set_message(format!("{} done", shot.done));
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
