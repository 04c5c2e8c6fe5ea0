//! What is done when the disk fills: first what is large is refused, while deletes go on and make
//! room; then everything, before the engine itself finds no room; and if it does, it is opened
//! again once there is some.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

/// How the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes what comes.
    Sound,
    /// The disk has less free than `store.reserve`: nothing large is taken.
    Full,
    /// The disk was full and the engine gave up: nothing is taken until there is room again.
    Down,
    /// A flush failed: nothing is promised any more.
    Lost,
}

impl State {
    /// The name by which operators read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Full => "full",
            Self::Down => "down",
            Self::Lost => "lost",
        }
    }
}

/// The one place where the store says how it is; clones are the same place.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<AtomicU8>);

impl Health {
    pub(super) fn get(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Sound,
            1 => State::Full,
            2 => State::Down,
            _ => State::Lost,
        }
    }

    pub(super) fn set(&self, state: State) {
        self.0.store(state as u8, Ordering::Release);
    }
}

/// What a transaction brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// A change of state, or a delete.
    Small,
    /// Octets that stay.
    Payload,
}

/// What the disk has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Enough,
    Short,
    None,
}

impl Level {
    /// Whether a transaction of this load is taken.
    pub(super) fn takes(self, load: Load) -> bool {
        match self {
            Self::Enough => true,
            Self::Short => load == Load::Small,
            Self::None => false,
        }
    }
}

/// The writer's view of the disk.
pub(super) struct Room {
    reserve: u64,
    /// When the engine is opened again at the earliest.
    pub(super) reopen_at: Instant,
    /// When space is given back at the earliest.
    pub(super) relieve_at: Instant,
}

impl Room {
    pub(super) fn new(reserve: u64) -> Self {
        let now = crate::clock::now();
        Self {
            reserve,
            reopen_at: now,
            relieve_at: now,
        }
    }

    /// What `free` octets mean; an engine without an end always has enough.
    pub(super) fn level(&self, free: Option<u64>) -> Level {
        match free {
            Some(free) if free < self.reserve / 8 => Level::None,
            Some(free) if free < self.reserve => Level::Short,
            _ => Level::Enough,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_is_refused_before_what_is_small() {
        let room = Room::new(800);
        let taken = |free| {
            let level = room.level(free);
            (level.takes(Load::Payload), level.takes(Load::Small))
        };
        assert_eq!(taken(None), (true, true));
        assert_eq!(taken(Some(800)), (true, true));
        assert_eq!(taken(Some(799)), (false, true));
        assert_eq!(taken(Some(100)), (false, true));
        assert_eq!(taken(Some(99)), (false, false));
    }
}
