use super::super::{
    Services,
    inflow::{Arrivals, inflow},
};
use crate::{
    clock,
    msrp::actor::{SessionEvent, SessionHandle, Sink},
};
use std::{cell::Cell, rc::Rc, time::Instant};

/// Parts what arrives on a session that carries messages both ways: answers and reports to what
/// this end sends go one way, what the other end sends the other way. Each is read at its own
/// pace.
pub(in super::super) struct Duplex {
    answers: Box<dyn Sink>,
    messages: Box<dyn Sink>,
    moved: Rc<Cell<Instant>>,
}

/// The flow's ends of a [`Duplex`].
pub(in super::super) struct Ends {
    /// What becomes of what is sent from here.
    pub answers: Arrivals,
    /// What the other end sends.
    pub incoming: Incoming,
}

/// The messages of the other end.
pub(in super::super) struct Incoming {
    pub messages: Arrivals,
    /// When anything came last, an answer or a message.
    pub moved: Rc<Cell<Instant>>,
}

/// Opens both ways, each with the room an inflow has.
pub(in super::super) fn duplex(services: &Services) -> (Box<Duplex>, Ends) {
    let moved = Rc::new(Cell::new(clock::now()));
    let (answers_in, answers) = inflow(services);
    let (messages_in, messages) = inflow(services);
    let sink = Duplex {
        answers: answers_in,
        messages: messages_in,
        moved: moved.clone(),
    };
    let incoming = Incoming { messages, moved };
    (Box::new(sink), Ends { answers, incoming })
}

impl Sink for Duplex {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle) {
        self.moved.set(clock::now());
        let (mut answers, mut messages) = (Vec::new(), Vec::new());
        for event in events.drain(..) {
            match event {
                SessionEvent::Closed(reason) => {
                    answers.push(SessionEvent::Closed(reason));
                    messages.push(event);
                }
                SessionEvent::Head(_)
                | SessionEvent::Body(..)
                | SessionEvent::End(..)
                | SessionEvent::Nickname(_) => {
                    messages.push(event);
                }
                _ => answers.push(event),
            }
        }
        for (mut events, sink) in [(answers, &mut self.answers), (messages, &mut self.messages)] {
            if !events.is_empty() {
                sink.handle(&mut events, session);
            }
        }
    }
}
