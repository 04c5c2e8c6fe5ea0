use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Stops a reader while anyone holds it closed. Closings are counted: each needs its opening.
#[derive(Clone, Default)]
pub struct Gate(Rc<State>);

#[derive(Default)]
struct State {
    closed: Cell<u32>,
    /// How often the reader was stopped, until somebody asked.
    stops: Cell<u64>,
    reader: RefCell<Option<Waker>>,
}

impl Gate {
    /// Makes the reader stop before its next read.
    pub fn close(&self) {
        let before = self.0.closed.get();
        self.0.closed.set(before + 1);
        if before == 0 {
            self.0.stops.set(self.0.stops.get() + 1);
        }
    }

    /// Takes one closing back; the last one lets the reader go on.
    pub fn open(&self) {
        let left = self.0.closed.get().saturating_sub(1);
        self.0.closed.set(left);
        if left == 0
            && let Some(reader) = self.0.reader.borrow_mut().take()
        {
            reader.wake();
        }
    }

    /// Whether nobody holds the gate closed.
    pub fn is_open(&self) -> bool {
        self.0.closed.get() == 0
    }

    /// How often the reader was stopped since this was asked last.
    pub fn take_stops(&self) -> u64 {
        self.0.stops.take()
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_open() {
            return Poll::Ready(());
        }
        *self.0.reader.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}
