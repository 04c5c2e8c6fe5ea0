//! Stops a session that several lanes start from.
use crate::msrp::actor::SessionHandle;
use std::{cell::Cell, rc::Rc};

/// Holds a session up while any of the lanes that start there asks for it.
pub(in crate::msrp::actor) struct Valve {
    session: SessionHandle,
    holders: Cell<usize>,
}

impl Valve {
    pub(in crate::msrp::actor) fn of(session: &SessionHandle) -> Rc<Self> {
        Rc::new(Self {
            session: session.clone(),
            holders: Cell::new(0),
        })
    }

    pub(in crate::msrp::actor) fn session(&self) -> &SessionHandle {
        &self.session
    }

    /// One more lane holds the session up, or one less.
    pub(super) fn turn(&self, hold: bool) {
        let before = self.holders.get();
        let after = match hold {
            true => before + 1,
            false => before.saturating_sub(1),
        };
        self.holders.set(after);
        match (before, after) {
            (0, 1) => self.session.pause(),
            (1, 0) => self.session.resume(),
            _ => {}
        }
    }
}
