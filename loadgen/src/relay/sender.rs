//! A connection on which one pair's messages go, and answers and reports come back.
use super::{
    letter,
    link::Peer,
    pair::Pair,
    scan::{Head, Scanner, Step},
    team::Team,
};
use std::rc::Rc;

/// Takes what comes back to the sender of one pair.
pub struct Sender {
    team: Rc<Team>,
    pair: Rc<Pair>,
    scanner: Scanner,
}

impl Sender {
    /// The sender of `pair`.
    pub fn new(team: Rc<Team>, pair: Rc<Pair>) -> Self {
        let scanner = Scanner::default();
        Self {
            team,
            pair,
            scanner,
        }
    }

    fn head(&mut self, head: &Head<'_>) {
        match head.code() {
            Some(code) => self.answer(head, code),
            None if head.word == b"REPORT" => self.report(head),
            None => {
                let method = String::from_utf8_lossy(head.word);
                self.team.refuse(format!("{method} came to a sender"));
            }
        }
    }

    fn answer(&mut self, head: &Head<'_>, code: u16) {
        let Some((message, _)) = letter::read_tid(head.tid) else {
            return self.team.refuse("an answer to no request of ours");
        };
        if code == 200 {
            if self.pair.flights.borrow_mut().answered(message).is_err() {
                self.team.refuse("one more answer than chunks");
            }
            return;
        }
        self.refused(message, &format!("answered {code}"));
    }

    fn report(&mut self, head: &Head<'_>) {
        let read = letter::read_message_id(head.message_id);
        let Some((_, number, message)) = read else {
            return self.team.refuse("a report on no message of ours");
        };
        if number != self.pair.number {
            return self.team.refuse("a report on another sender's message");
        }
        match head.reported() {
            Some(200) => {
                if self.pair.flights.borrow_mut().reported(message).is_err() {
                    self.team
                        .refuse("a report of success that nobody waits for");
                }
            }
            code => self.refused(message, &format!("reported {}", code.unwrap_or_default())),
        }
    }

    fn refused(&mut self, message: u64, reason: &str) {
        if self.pair.flights.borrow_mut().refused(message) {
            self.team.refuse(reason);
        }
    }
}

impl Peer for Sender {
    fn take(&mut self, octets: &[u8]) -> Result<usize, String> {
        let mut at = 0;
        loop {
            let next = self.scanner.next(&octets[at..]);
            let (used, step) = next.map_err(|garbage| garbage.to_string())?;
            at += used;
            match step {
                Step::More => return Ok(at),
                Step::Head(head) => self.head(&head),
                Step::Body(_) | Step::End(_) => {}
            }
        }
    }

    fn settle(&mut self) {
        self.team.touch(&self.pair);
        self.team.settle();
    }

    fn writable(&mut self) {
        self.pair.pump(&self.team.content);
        self.team.look_at(&self.pair);
    }
}
