//! How full a connection is, who writes it when, and who is told.
use super::{CloseReason, SessionEvent, link::Link};
use crate::net::Pressure;
use std::{cell::Cell, rc::Rc};

/// Output collected before it is written out of turn.
const COLLECT: usize = 256 * 1024;

/// What is known of a connection's queue.
#[derive(Default)]
pub(super) struct Flow {
    /// Something is collected, and the writing of it arranged for.
    dirty: Cell<bool>,
    /// The queue is over its high mark, and somebody waits for it to empty.
    watched: Cell<bool>,
    /// Nothing is read, because nobody reads our answers.
    held: Cell<bool>,
    /// Some session waits for `Writable`.
    awaited: Cell<bool>,
}

impl Link {
    /// Returns how many octets of the stream are with the operating system.
    pub(super) fn written(&self) -> u64 {
        let out = self.out.borrow();
        out.position
            .saturating_sub((self.outlet.queued() + out.collected) as u64)
    }

    /// Reads again, if reading was stopped for answers nobody reads.
    pub(super) fn release_reader(&self) {
        if self.flow.held.replace(false) {
            self.gate.open();
        }
    }

    /// Tells how full the connection is, counting what is not written yet.
    pub(super) fn pressure(&self) -> Pressure {
        let waiting = self.outlet.queued() + self.out.borrow().collected;
        match self.outlet.pressure() {
            Pressure::Low if waiting as u64 > self.board.config.high_mark.as_u64() => {
                Pressure::High
            }
            pressure => pressure,
        }
    }

    /// Notes that some session wants to hear when output flows again.
    pub(super) fn await_writable(self: &Rc<Self>) {
        self.flow.awaited.set(true);
        self.mark_dirty();
    }

    /// Writes what is collected, and tells the sessions if that filled or emptied the queue.
    pub(super) fn flush(self: &Rc<Self>) {
        self.flow.dirty.set(false);
        self.flush_out();
        match self.outlet.pressure() {
            Pressure::Low => self.tell_writable(),
            Pressure::High => self.watch(),
            Pressure::Closed if !self.is_down() => self.fail(CloseReason::Stalled),
            Pressure::Closed => {}
        }
    }

    /// Notes that something was collected.
    pub(super) fn mark_dirty(self: &Rc<Self>) {
        if self.out.borrow().collected > COLLECT {
            self.flush_out();
        }
        if !self.flow.dirty.replace(true) {
            self.board.write_soon(self.clone());
        }
    }

    /// Gives what is collected to the stream.
    pub(super) fn flush_out(&self) {
        let mut out = self.out.borrow_mut();
        out.finish();
        self.is_used.set(true);
        self.outlet.write(&mut out.parts);
        out.rest();
    }

    /// Tells everyone that the queue is full, and later that it is not.
    fn watch(self: &Rc<Self>) {
        let config = &self.board.config;
        // Data stops at the high mark; what still grows are answers nobody reads.
        if self.outlet.queued() as u64 > config.high_mark.as_u64() * 2
            && !self.flow.held.replace(true)
        {
            self.gate.close();
        }
        if self.flow.watched.replace(true) {
            return;
        }
        self.flow.awaited.set(true);
        for session in self.sessions_now() {
            session.wants_writable.set(true);
            session.push(SessionEvent::Full);
        }
        let link = self.clone();
        actix::spawn(async move {
            link.outlet.when_low().await;
            link.flow.watched.set(false);
            link.release_reader();
            link.tell_writable();
            link.board.run();
        });
    }

    fn tell_writable(&self) {
        if self.flow.watched.get() || !self.flow.awaited.replace(false) {
            return;
        }
        for session in self.sessions_now() {
            if session.wants_writable.replace(false) {
                session.push(SessionEvent::Writable);
            }
        }
    }
}
