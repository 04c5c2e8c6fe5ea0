use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Where the process stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not all ports are served yet.
    Starting,
    /// Everything is served.
    Ready,
    /// What is under way may end, nothing new is taken.
    Draining,
}

/// The one place where the process says how it is; clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// Notes that the process is now in `state`.
    pub fn set(&self, state: State) {
        let number = match state {
            State::Starting => 0,
            State::Ready => 1,
            State::Draining => 2,
        };
        self.0.store(number, Ordering::Release);
    }

    /// Where the process stands.
    pub fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            _ => State::Draining,
        }
    }
}
