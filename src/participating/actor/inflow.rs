use super::Services;
use crate::{
    msrp::actor::{SessionEvent, SessionHandle, Sink},
    overload::Valve,
};
use std::{cell::Cell, rc::Rc};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Hands what arrives on a session to a flow, one batch per read, and pauses the session's reader
/// while more octets than the window allows are still on their way.
pub struct Inflow {
    batches: UnboundedSender<Batch>,
    credit: Rc<Credit>,
}

/// What one read brought for one session.
pub struct Batch {
    pub events: Vec<SessionEvent>,
    octets: usize,
}

struct Credit {
    window: usize,
    valve: Valve,
    underway: Cell<usize>,
    paused: Cell<bool>,
}

/// The flow's end of an [`Inflow`].
pub struct Arrivals {
    batches: UnboundedReceiver<Batch>,
    credit: Rc<Credit>,
}

/// Opens the way from a session to a flow with room for `participating.inbound_window` octets; for
/// less while memory is short.
pub fn inflow(services: &Services) -> (Box<Inflow>, Arrivals) {
    let window = services.config.inbound_window.as_u64();
    let (sender, batches) = mpsc::unbounded_channel();
    let credit = Rc::new(Credit {
        window: usize::try_from(window).unwrap_or(usize::MAX),
        valve: services.valve.clone(),
        underway: Cell::new(0),
        paused: Cell::new(false),
    });
    let inflow = Inflow {
        batches: sender,
        credit: credit.clone(),
    };
    (Box::new(inflow), Arrivals { batches, credit })
}

impl Sink for Inflow {
    fn handle(&mut self, events: &mut Vec<SessionEvent>, session: &SessionHandle) {
        let events = std::mem::take(events);
        let octets = events.iter().map(octets_of).sum();
        let underway = self.credit.underway.get() + octets;
        if self.batches.send(Batch { events, octets }).is_err() {
            // the flow has ended; the session is being closed by it
            return;
        }
        self.credit.underway.set(underway);
        if underway > self.credit.window_now() && !self.credit.paused.replace(true) {
            session.pause();
        }
    }
}

impl Credit {
    /// Octets that may be on their way: an eighth of the window while memory is short.
    fn window_now(&self) -> usize {
        match self.valve.is_short_of_memory() {
            true => self.window / 8,
            false => self.window,
        }
    }
}

impl Arrivals {
    /// The next batch, or `None` when the session is gone for good.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// Says that `batch` has been dealt with, so that the session may read on.
    pub fn done(&self, batch: &Batch, session: &SessionHandle) {
        let underway = self.credit.underway.get() - batch.octets;
        self.credit.underway.set(underway);
        if underway <= self.credit.window_now() / 2 && self.credit.paused.replace(false) {
            session.resume();
        }
    }
}

fn octets_of(event: &SessionEvent) -> usize {
    match event {
        SessionEvent::Body(_, octets) => octets.len(),
        _ => 0,
    }
}
