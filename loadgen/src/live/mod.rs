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

/// What is shown of one look.
#[derive(Clone, Debug)]
pub struct Shot {
    now: Duration,
    done: u64,
    texts: Vec<String>,
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

    /// What is to be shown of a look; `None` if it is not the time yet.
    ///
    /// What is counted is only needed for this, and a terminal may be slow.
    pub fn compose(&self, look: &Look<'_>) -> Option<Shot> {
        let texts = match &self.shown {
            Shown::Screen(_) => words::lines(look),
            Shown::Lines if look.now.saturating_sub(self.phase.last.0) >= LINE_EVERY => {
                vec![words::line(&self.phase, look)]
            }
            Shown::Lines | Shown::Nothing => return None,
        };
        Some(Shot {
            now: look.now,
            done: look.done,
            texts,
        })
    }

    /// What is to be shown at the end of the phase.
    pub fn compose_end(&mut self, look: &Look<'_>) -> Option<Shot> {
        if let Shown::Lines = self.shown {
            self.phase.last = (self.phase.begun, 0);
        }
        let texts = match &self.shown {
            Shown::Screen(_) => Vec::new(),
            Shown::Lines => vec![words::line(&self.phase, look)],
            Shown::Nothing => return None,
        };
        Some(Shot {
            now: look.now,
            done: look.done,
            texts,
        })
    }

    /// Shows `shot`; to be called a few times a second.
    pub fn show(&mut self, shot: Option<Shot>) {
        let Some(shot) = shot else { return };
        match &mut self.shown {
            Shown::Screen(screen) => screen.show(&self.phase, shot),
            Shown::Lines => {
                shot.texts.iter().for_each(|line| eprintln!("{line}"));
                self.phase.last = (shot.now, shot.done);
            }
            Shown::Nothing => {}
        }
    }

    /// Ends the phase with `shot`.
    pub fn end_phase(&mut self, shot: Option<Shot>) {
        self.show(shot);
        if let Shown::Screen(screen) = &mut self.shown {
            screen.end();
        }
    }
}
