//! A connection on which messages come.
use super::{
    content::start_of,
    flights::{Arrival, Fault},
    letter,
    link::{Link, Peer},
    pair::Pair,
    scan::{Head, Scanner, Step},
    team::Team,
};
use std::{rc::Rc, time::Instant};

/// Takes messages, for any pair of the team.
pub struct Receiver {
    team: Rc<Team>,
    link: Rc<Link>,
    scanner: Scanner,
    current: Option<Current>,
    /// Answer and report that the chunk under way is owed.
    answer: Vec<u8>,
    report: Vec<u8>,
    received: (u64, u64),
}

/// The chunk under way.
struct Current {
    pair: Rc<Pair>,
    message: u64,
    at: u64,
    start: usize,
}

impl Receiver {
    /// Takes what comes on `link`.
    pub fn new(team: Rc<Team>, link: Rc<Link>) -> Self {
        Self {
            team,
            link,
            scanner: Scanner::default(),
            current: None,
            answer: Vec::new(),
            report: Vec::new(),
            received: (0, 0),
        }
    }

    fn begin(&mut self, head: &Head<'_>) -> Result<(), String> {
        if head.word != b"SEND" {
            return Ok(());
        }
        self.answer.clear();
        if self.team.answers {
            letter::answer(&mut self.answer, head);
        }
        self.current = self.current(head)?;
        if head.end.is_some() {
            // a SEND without content binds a session
            self.send_answer();
        }
        Ok(())
    }

    fn current(&mut self, head: &Head<'_>) -> Result<Option<Current>, String> {
        if head.end.is_some() && head.message_id.is_empty() {
            return Ok(None);
        }
        let read = letter::read_message_id(head.message_id);
        let ours = read.filter(|(run, ..)| *run == self.team.run);
        let Some((_, number, message)) = ours else {
            return Err("a message of another run came".to_owned());
        };
        let Some(pair) = self.team.pair(number) else {
            return Err(format!(
                "a message of pair {number} came to the wrong thread"
            ));
        };
        if pair.receiver.borrow().is_none() {
            *pair.receiver.borrow_mut() = Some(self.link.clone());
        }
        self.report.clear();
        if self.team.reports {
            letter::report(&mut self.report, head, pair.size());
        }
        let (first, length) = head.range().unwrap_or((0, None));
        self.scanner.expect(length);
        let is_next = pair.flights.borrow_mut().next_octet(message) == first;
        Ok(Some(Current {
            start: start_of(number, message),
            // octets that leave a gap can't be right wherever they are compared
            at: if is_next { first } else { u64::MAX },
            pair,
            message,
        }))
    }

    fn body(&mut self, octets: &[u8]) {
        let Some(Current {
            pair,
            message,
            at,
            start,
        }) = &mut self.current
        else {
            return;
        };
        let length = octets.len() as u64;
        let is_right = *at != u64::MAX && self.team.content.holds(*start, *at, octets);
        *at = at.saturating_add(length);
        self.received.1 += length;
        let outcome = pair
            .flights
            .borrow_mut()
            .received(*message, length, is_right);
        if let Err(fault) = outcome {
            self.team.fault(fault);
            if fault != Fault::Corrupted {
                self.current = None;
            }
        }
    }

    fn end(&mut self, flag: u8, now: Instant) {
        self.send_answer();
        let Some(Current { pair, message, .. }) = self.current.take() else {
            return;
        };
        let outcome = pair.flights.borrow_mut().chunk_ended(message, flag);
        match outcome {
            Ok(Arrival::Part) => {}
            Ok(Arrival::Whole(begun)) => {
                self.team.received(&pair, begun, now);
                self.received.0 += 1;
                self.link.add(|out| out.extend_from_slice(&self.report));
                self.team.touch(&pair);
            }
            Err(fault) => self.team.fault(fault),
        }
    }

    fn send_answer(&mut self) {
        self.link.add(|out| out.extend_from_slice(&self.answer));
        self.answer.clear();
    }
}

impl Peer for Receiver {
    fn take(&mut self, octets: &[u8]) -> Result<usize, String> {
        let now = Instant::now();
        let mut at = 0;
        loop {
            let next = self.scanner.next(&octets[at..]);
            let (used, step) = next.map_err(|garbage| garbage.to_string())?;
            at += used;
            match step {
                Step::More => return Ok(at),
                Step::Head(head) => self.begin(&head)?,
                Step::Body(octets) => self.body(octets),
                Step::End(flag) => self.end(flag, now),
            }
        }
    }

    fn settle(&mut self) {
        self.link.flush();
        let (messages, octets) = std::mem::take(&mut self.received);
        if octets > 0 {
            self.team.tell(messages, octets);
        }
        self.team.settle();
    }

    fn writable(&mut self) {
        self.link.flush();
    }
}
