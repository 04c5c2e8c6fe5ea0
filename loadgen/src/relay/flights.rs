//! The messages of one pair that are under way: sent, and not yet received whole, answered and
//! reported as far as was asked for.
use std::{collections::VecDeque, time::Instant};

/// What a message needs before it has landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Octets that have to come.
    pub size: u64,
    /// Answers to its chunks.
    pub answers: u64,
    /// A report of success.
    pub report: bool,
}

/// All messages of one pair.
#[derive(Debug)]
pub struct Flights {
    needs: Needs,
    /// Number of the message at the front of the queue.
    first: u64,
    queue: VecDeque<Flight>,
    in_flight: u64,
}

#[derive(Debug)]
struct Flight {
    begun: Instant,
    received: u64,
    answered: u64,
    is_reported: bool,
    is_corrupted: bool,
    is_refused: bool,
    has_landed: bool,
}

/// What is wrong with something that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A message that was received whole before.
    Doubled,
    /// Other octets than were sent, or from another place; told once for a message.
    Corrupted,
    /// An answer, report or message that nobody waits for.
    Unasked,
}

/// What an arrival meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// There is more to come.
    Part,
    /// The message is here, begun at this time.
    Whole(Instant),
}

impl Flights {
    /// None yet.
    pub fn new(needs: Needs) -> Self {
        Self {
            needs,
            first: 0,
            queue: VecDeque::new(),
            in_flight: 0,
        }
    }

    /// How many are under way.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// One more begins at `now`; returns its number.
    pub fn begin(&mut self, now: Instant) -> u64 {
        self.queue.push_back(Flight {
            begun: now,
            received: 0,
            answered: 0,
            is_reported: false,
            is_corrupted: false,
            is_refused: false,
            has_landed: false,
        });
        self.in_flight += 1;
        self.first + self.queue.len() as u64 - 1
    }

    /// The message's next octet, counted from 0; 0 if it is not under way.
    pub fn next_octet(&mut self, message: u64) -> u64 {
        self.flight(message).map_or(0, |flight| flight.received)
    }

    /// `octets` of the message came and belong there, or not.
    ///
    /// Errors: what is wrong with the message because of them.
    pub fn received(&mut self, message: u64, octets: u64, is_right: bool) -> Result<(), Fault> {
        let size = self.needs.size;
        let flight = self.flight(message)?;
        if flight.received >= size {
            return Err(Fault::Doubled);
        }
        flight.received += octets;
        match is_right && flight.received <= size {
            true => Ok(()),
            false => flight.corrupt(),
        }
    }

    /// A chunk of the message ended, as its last or not.
    ///
    /// Errors: the message ended too early or too late.
    pub fn chunk_ended(&mut self, message: u64, flag: u8) -> Result<Arrival, Fault> {
        let size = self.needs.size;
        let flight = self.flight(message)?;
        let is_whole = flight.received == size;
        match (flag, is_whole) {
            (b'+', _) => Ok(Arrival::Part),
            (b'$', true) => {
                let begun = flight.begun;
                self.land(message);
                Ok(Arrival::Whole(begun))
            }
            _ => flight.corrupt().map(|()| Arrival::Part),
        }
    }

    /// One of the message's chunks was answered 200.
    ///
    /// Errors: nobody waits for that.
    pub fn answered(&mut self, message: u64) -> Result<(), Fault> {
        let wanted = self.needs.answers;
        let flight = self.flight(message).map_err(|_| Fault::Unasked)?;
        flight.answered += 1;
        if flight.answered > wanted {
            return Err(Fault::Unasked);
        }
        self.land(message);
        Ok(())
    }

    /// The message's success was reported.
    ///
    /// Errors: nobody waits for that.
    pub fn reported(&mut self, message: u64) -> Result<(), Fault> {
        let wanted = self.needs.report;
        let flight = self.flight(message).map_err(|_| Fault::Unasked)?;
        if !wanted || flight.is_reported {
            return Err(Fault::Unasked);
        }
        flight.is_reported = true;
        self.land(message);
        Ok(())
    }

    /// The message was refused: nothing more is expected of it. Says whether that is news.
    pub fn refused(&mut self, message: u64) -> bool {
        let Ok(flight) = self.flight(message) else {
            return false;
        };
        let is_news = !flight.is_refused;
        flight.is_refused = true;
        self.land(message);
        is_news
    }

    /// Gives up what is under way; returns how many were not received, and how many only miss
    /// their answer or report.
    pub fn give_up(&mut self) -> (u64, u64) {
        let size = self.needs.size;
        let left = self.queue.iter().filter(|flight| !flight.has_landed);
        let (here, lost): (Vec<_>, Vec<_>) = left.partition(|flight| flight.received >= size);
        let counts = (lost.len() as u64, here.len() as u64);
        self.first += self.queue.len() as u64;
        self.queue.clear();
        self.in_flight = 0;
        counts
    }

    fn flight(&mut self, message: u64) -> Result<&mut Flight, Fault> {
        let place = message.checked_sub(self.first).ok_or(Fault::Doubled)?;
        let flight = self.queue.get_mut(place as usize);
        flight.ok_or(Fault::Unasked)
    }

    fn land(&mut self, message: u64) {
        let needs = self.needs;
        let Ok(flight) = self.flight(message) else {
            return;
        };
        let is_done = flight.received >= needs.size
            && flight.answered >= needs.answers
            && (flight.is_reported || !needs.report);
        if flight.has_landed || !(is_done || flight.is_refused) {
            return;
        }
        flight.has_landed = true;
        self.in_flight -= 1;
        while self.queue.front().is_some_and(|front| front.has_landed) {
            self.queue.pop_front();
            self.first += 1;
        }
    }
}

impl Flight {
    fn corrupt(&mut self) -> Result<(), Fault> {
        match std::mem::replace(&mut self.is_corrupted, true) {
            true => Ok(()),
            false => Err(Fault::Corrupted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs {
        size: 300,
        answers: 2,
        report: true,
    };

    #[test]
    fn message_lands_when_received_answered_and_reported() {
        let now = Instant::now();
        let mut flights = Flights::new(NEEDS);
        assert_eq!((flights.begin(now), flights.begin(now)), (0, 1));
        assert_eq!(flights.received(0, 200, true), Ok(()));
        assert_eq!(flights.next_octet(0), 200);
        assert_eq!(flights.chunk_ended(0, b'+'), Ok(Arrival::Part));
        assert_eq!(flights.received(0, 100, true), Ok(()));
        assert_eq!(flights.chunk_ended(0, b'$'), Ok(Arrival::Whole(now)));
        assert_eq!((flights.answered(0), flights.answered(0)), (Ok(()), Ok(())));
        assert_eq!(flights.in_flight(), 2);
        assert_eq!(flights.reported(0), Ok(()));
        assert_eq!(flights.in_flight(), 1);
        assert_eq!(flights.give_up(), (1, 0));
        assert_eq!(flights.begin(now), 2);
    }

    #[test]
    fn second_copy_is_told_before_and_after_the_landing() {
        let mut flights = Flights::new(NEEDS);
        flights.begin(Instant::now());
        flights.received(0, 300, true).unwrap();
        assert_eq!(flights.received(0, 300, true), Err(Fault::Doubled));
        flights.answered(0).unwrap();
        flights.answered(0).unwrap();
        assert_eq!(flights.answered(0), Err(Fault::Unasked));
        flights.reported(0).unwrap();
        assert_eq!(flights.received(0, 300, true), Err(Fault::Doubled));
        assert_eq!(flights.received(1, 300, true), Err(Fault::Unasked));
    }

    #[test]
    fn corruption_is_told_once() {
        let mut flights = Flights::new(NEEDS);
        flights.begin(Instant::now());
        assert_eq!(flights.received(0, 100, false), Err(Fault::Corrupted));
        assert_eq!(flights.received(0, 100, false), Ok(()));
        flights.begin(Instant::now());
        flights.received(1, 299, true).unwrap();
        assert_eq!(flights.chunk_ended(1, b'$'), Err(Fault::Corrupted));
    }

    #[test]
    fn refused_message_lands_as_it_is() {
        let mut flights = Flights::new(NEEDS);
        flights.begin(Instant::now());
        assert!(flights.refused(0));
        assert!(!flights.refused(0));
        assert_eq!((flights.in_flight(), flights.give_up()), (0, (0, 0)));
    }
}
