//! The way from a session's sink to the task that works on its events.
use crate::msrp::actor::{SessionEvent, SessionHandle, Sink};
use std::{cell::Cell, rc::Rc};
use tokio::sync::mpsc;

/// Body octets not worked on yet at which the session's connection is no longer read.
const HIGH: usize = 1024 * 1024;
/// Body octets at which it is read again.
const LOW: usize = 256 * 1024;

/// The end a session writes to.
struct Pipe {
    events: mpsc::UnboundedSender<SessionEvent>,
    queued: Rc<Cell<usize>>,
}

/// The end a task reads from.
pub(super) struct Events {
    events: mpsc::UnboundedReceiver<SessionEvent>,
    queued: Rc<Cell<usize>>,
}

/// Both ends of a pipe. It is bounded by pausing the session, not by its length.
pub(super) fn pipe() -> (Box<dyn Sink>, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queued = Rc::new(Cell::new(0));
    let sink = Pipe {
        events: sender,
        queued: queued.clone(),
    };
    let events = Events {
        events: receiver,
        queued,
    };
    (Box::new(sink), events)
}

/// Parts what comes for a session that sends and receives: what becomes of its own messages comes
/// out of the first end, what the other side sends out of the second one.
pub(super) fn part(mut events: Events, session: &SessionHandle) -> (Events, Events) {
    let ((to_answers, answers), (to_messages, messages)) = (pipe(), pipe());
    let mut fork = Fork {
        answers: to_answers,
        messages: to_messages,
    };
    // what came before stays in its order
    let mut early = Vec::new();
    while let Ok(event) = events.events.try_recv() {
        early.push(event);
    }
    fork.handle(&mut early, session);
    session.set_sink(Box::new(fork));
    (answers, messages)
}

/// Both ways out of a session.
struct Fork {
    answers: Box<dyn Sink>,
    messages: Box<dyn Sink>,
}

impl Sink for Fork {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle) {
        let (mut answers, mut messages) = (Vec::new(), Vec::new());
        for event in events.drain(..) {
            match event {
                SessionEvent::Response { .. } | SessionEvent::Report(_) => answers.push(event),
                SessionEvent::Head(_) | SessionEvent::Body(..) | SessionEvent::End(..) => {
                    messages.push(event);
                }
                both => {
                    answers.push(both.clone());
                    messages.push(both);
                }
            }
        }
        self.answers.handle(&mut answers, session);
        self.messages.handle(&mut messages, session);
    }
}

impl Sink for Pipe {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle) {
        for event in events.drain(..) {
            if let SessionEvent::Body(_, octets) = &event {
                self.queued.set(self.queued.get() + octets.len());
            }
            // a task that went away has closed the session
            let _ = self.events.send(event);
        }
        if self.queued.get() > HIGH {
            session.pause();
        }
    }
}

impl Events {
    /// The next event; `None` when the session is gone.
    pub async fn next(&mut self, session: &SessionHandle) -> Option<SessionEvent> {
        let event = self.events.recv().await?;
        if let SessionEvent::Body(_, octets) = &event {
            let left = self.queued.get().saturating_sub(octets.len());
            self.queued.set(left);
            if left < LOW {
                session.resume();
            }
        }
        Some(event)
    }
}
