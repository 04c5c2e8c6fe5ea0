//! What a run shows while it is under way: several lines that move on a terminal, a plain line now
//! and then elsewhere, nothing if nobody wants to know.
mod screen;
mod words;

use crate::{report::timeline::Watched, series::Series};
use screen::Screen;
use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much a phase has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many steps.
    Steps(u64),
    /// Whatever can be done in so long.
    Time(Duration),
}

/// One look at a run.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// When, from the run's beginning.
    pub now: Duration,
    /// Steps of the phase that are done.
    pub done: u64,
    /// Everything that was counted.
    pub series: &'a Series,
    /// The server, where it is watched.
    pub server: Option<Watched>,
}

/// The phase that is shown.
#[derive(Clone, Debug)]
struct Phase {
    name: String,
    extent: Extent,
    begun: Duration,
    /// When a line was written, and how much was done then.
    last: (Duration, u64),
}

/// What shows a run to whoever looks on.
pub struct View {
    shown: Shown,
    phase: Phase,
}

enum Shown {
    Screen(Screen),
    Lines,
    Nothing,
}

impl View {
    /// Begins to show a run on standard error, unless it is to be `quiet`.
    pub fn begin(quiet: bool) -> Self {
        let shown = match (quiet, stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Screen(Screen::new()),
            (false, false) => Shown::Lines,
        };
        Self {
            shown,
            phase: Phase {
                name: String::new(),
                extent: Extent::Steps(0),
                begun: Duration::ZERO,
                last: (Duration::ZERO, 0),
            },
        }
    }

    /// Begins the phase called `name` at `now`.
    pub fn begin_phase(&mut self, name: &str, extent: Extent, now: Duration) {
        self.phase = Phase {
            name: name.to_owned(),
            extent,
            begun: now,
            last: (now, 0),
        };
        if let Shown::Screen(screen) = &mut self.shown {
            screen.begin(name, extent);
        }
    }

    /// Shows how far the phase is; to be called a few times a second.
    pub fn show(&mut self, look: &Look<'_>) {
        match &mut self.shown {
            Shown::Screen(screen) => screen.show(&self.phase, look),
            Shown::Lines if look.now.saturating_sub(self.phase.last.0) >= LINE_EVERY => {
                eprintln!("{}", words::line(&self.phase, look));
                self.phase.last = (look.now, look.done);
            }
            Shown::Lines | Shown::Nothing => {}
        }
    }

    /// Ends the phase.
    pub fn end_phase(&mut self, look: &Look<'_>) {
        match &mut self.shown {
            Shown::Screen(screen) => screen.end(&self.phase, look),
            Shown::Lines => {
                self.phase.last = (self.phase.begun, 0);
                eprintln!("{}", words::line(&self.phase, look));
            }
            Shown::Nothing => {}
        }
    }

    /// Tells something that happened, such as that the server was killed.
    pub fn tell(&self, news: &str) {
        match &self.shown {
            Shown::Screen(screen) => screen.tell(news),
            Shown::Lines => eprintln!("{news}"),
            Shown::Nothing => {}
        }
    }
}
