//! A sender and a receiver who belong together: what is sent next, and what is under way.
use super::{
    content::{Content, LONGEST_PIECE, start_of},
    flights::Flights,
    letter::{Chunk, Letter},
    link::Link,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

/// Octets that are put together before they are written at once.
const BATCH: usize = 32 * 1024;

/// Batches that one pair writes before others have their turn.
const TURN: usize = 8;

/// Pieces from this size on are written from where they stand, without a copy.
const UNCOPIED: usize = 8 * 1024;

/// How a pair sends.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Octets of a message.
    pub size: u64,
    /// Octets of a chunk, at most.
    pub chunk: u64,
    /// Messages under way at the same time; 0 for as many as the connection takes.
    pub window: u64,
}

/// One pair.
#[derive(Debug)]
pub struct Pair {
    /// Its number in the run.
    pub number: usize,
    /// What is under way.
    pub flights: RefCell<Flights>,
    /// The receiver's connection, once it is known.
    pub receiver: RefCell<Option<Rc<Link>>>,
    /// Whether its receiver is one of those that stop reading.
    pub is_stalled: Cell<bool>,
    /// Whether it is on the list of those that may go on.
    pub is_touched: Cell<bool>,
    /// Whether it still has something to do in this phase.
    pub is_busy: Cell<bool>,
    link: Rc<Link>,
    letter: Letter,
    manner: Cell<Manner>,
    /// Messages of this phase that have not begun.
    left: Cell<u64>,
    /// Messages that may begin by now, where a rate is kept.
    due: Cell<Option<u64>>,
    under_way: Cell<Option<UnderWay>>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    chunk: Chunk,
    /// Next octet of the message.
    at: u64,
    /// Where its content starts.
    start: usize,
}

impl Pair {
    /// Pair `number`, sending `letter` on `link`.
    pub fn new(
        number: usize,
        link: Rc<Link>,
        letter: Letter,
        manner: Manner,
        flights: Flights,
    ) -> Self {
        Self {
            number,
            flights: RefCell::new(flights),
            receiver: RefCell::default(),
            is_stalled: Cell::new(false),
            is_touched: Cell::new(false),
            is_busy: Cell::new(false),
            link,
            letter,
            manner: Cell::new(manner),
            left: Cell::new(0),
            due: Cell::new(None),
            under_way: Cell::new(None),
        }
    }

    /// The sender's connection.
    pub fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// Octets of a message.
    pub fn size(&self) -> u64 {
        self.manner.get().size
    }

    /// Another window from now on.
    pub fn set_window(&self, window: u64) {
        self.manner.set(Manner {
            window,
            ..self.manner.get()
        });
    }

    /// This many messages are to be sent; with `is_paced`, each when it is due.
    pub fn set_goal(&self, messages: u64, is_paced: bool) {
        self.left.set(messages);
        self.due.set(is_paced.then_some(0));
        self.is_busy.set(messages > 0);
    }

    /// No further message begins.
    pub fn stop(&self) {
        self.left.set(0);
    }

    /// One more message is due.
    pub fn fall_due(&self) {
        self.due.set(self.due.get().map(|due| due + 1));
    }

    /// Whether all is sent and has landed.
    pub fn is_done(&self) -> bool {
        self.left.get() == 0
            && self.under_way.get().is_none()
            && self.flights.borrow().in_flight() == 0
    }

    /// Sends what may be sent, as far as the socket takes it.
    pub fn pump(&self, content: &Content) {
        let mut tail = Vec::new();
        for _ in 0..TURN {
            if !self.link.flush() {
                return;
            }
            let large = self.link.add(|out| self.fill(out, content));
            match large {
                None if self.link.add(|out| out.is_empty()) => return,
                None => {}
                Some((piece, chunk)) => {
                    tail.clear();
                    if let Some(chunk) = chunk {
                        self.letter.tail(&mut tail, &chunk);
                    }
                    self.link.flush_with(piece, &tail);
                }
            }
        }
        self.link.give_way();
    }

    /// Puts a batch together; a large piece that is to follow it is returned, with the chunk that
    /// ends behind the piece.
    fn fill<'a>(
        &self,
        out: &mut Vec<u8>,
        content: &'a Content,
    ) -> Option<(&'a [u8], Option<Chunk>)> {
        let mut now = None;
        while out.len() < BATCH {
            let mut under_way = match self.under_way.take() {
                Some(under_way) => under_way,
                None if self.may_begin() => self.begin(*now.get_or_insert_with(Instant::now)),
                None => break,
            };
            let UnderWay { chunk, at, start } = under_way;
            if at == chunk.first {
                self.letter.head(out, &chunk);
            }
            let wanted = (chunk.end - at).min(LONGEST_PIECE as u64);
            let piece = content.piece(start, at, wanted);
            under_way.at += wanted;
            let is_end = under_way.at == chunk.end;
            self.under_way.set(self.after(under_way));
            if piece.len() >= UNCOPIED {
                return Some((piece, is_end.then_some(chunk)));
            }
            out.extend_from_slice(piece);
            if is_end {
                self.letter.tail(out, &chunk);
            }
        }
        None
    }

    fn may_begin(&self) -> bool {
        let window = self.manner.get().window;
        self.left.get() > 0
            && self.due.get() != Some(0)
            && (window == 0 || self.flights.borrow().in_flight() < window)
    }

    fn begin(&self, now: Instant) -> UnderWay {
        let message = self.flights.borrow_mut().begin(now);
        self.left.set(self.left.get() - 1);
        self.due.set(self.due.get().map(|due| due - 1));
        UnderWay {
            chunk: self.chunk(message, 0, 0),
            at: 0,
            start: start_of(self.number, message),
        }
    }

    fn after(&self, under_way: UnderWay) -> Option<UnderWay> {
        let UnderWay { chunk, at, .. } = under_way;
        match at {
            _ if at < chunk.end => Some(under_way),
            _ if at == self.size() => None,
            _ => Some(UnderWay {
                chunk: self.chunk(chunk.message, chunk.number + 1, at),
                ..under_way
            }),
        }
    }

    fn chunk(&self, message: u64, number: u64, first: u64) -> Chunk {
        let Manner { size, chunk, .. } = self.manner.get();
        let end = size.min(first.saturating_add(chunk));
        Chunk {
            message,
            number,
            first,
            end,
        }
    }
}
