//! What one read, or one call from outside, leaves to be done on a shard: sessions to tell,
//! connections to write.
use super::{link::Link, session::State};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// The list of a shard. Everything on it is done before the arbiter turns to other tasks.
#[derive(Default)]
pub(super) struct Work {
    ready: RefCell<VecDeque<Rc<State>>>,
    dirty: RefCell<Vec<Rc<Link>>>,
    running: Cell<bool>,
    scheduled: Cell<bool>,
}

/// Ends the run also where a sink panics.
struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Work {
    /// Notes a session that has events. Returns whether somebody must call [`Work::run`].
    pub(super) fn tell(&self, session: Rc<State>) -> bool {
        self.ready.borrow_mut().push_back(session);
        self.must_schedule()
    }

    /// Notes a connection that has output. Returns whether somebody must call [`Work::run`].
    pub(super) fn write(&self, link: Rc<Link>) -> bool {
        self.dirty.borrow_mut().push(link);
        self.must_schedule()
    }

    /// Says that [`Work::run`] will be called before the arbiter turns to other tasks.
    pub(super) fn expect_run(&self) {
        self.scheduled.set(true);
    }

    /// Tells all sessions, then writes all connections, until nothing is left.
    pub(super) fn run(&self) {
        self.scheduled.set(false);
        if self.running.replace(true) {
            return;
        }
        let _running = Running(&self.running);
        loop {
            let session = self.ready.borrow_mut().pop_front();
            if let Some(session) = session {
                session.deliver();
                continue;
            }
            let link = self.dirty.borrow_mut().pop();
            match link {
                Some(link) => link.flush(),
                None => break,
            }
        }
    }

    fn must_schedule(&self) -> bool {
        !self.running.get() && !self.scheduled.replace(true)
    }
}
