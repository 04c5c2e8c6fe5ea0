//! Channels: the sender's, on which messages go and answers come, and the receiver's.
use super::book::Book;
use crate::relay::{
    letter::{self, Chunk, Letter},
    link::{Link, Peer},
    scan::{Head, Scanner, Step},
};
use std::{rc::Rc, time::Instant};

/// The description of our end of a channel: we connect.
pub fn description(path: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=message 9 TCP/MSRP *\r\na=accept-types:text/plain\r\na=path:{path}\r\n\
         a=setup:active\r\na={direction}\r\n"
    )
}

/// The end that sends.
pub struct Outbound {
    number: usize,
    book: Rc<Book>,
    link: Rc<Link>,
    letter: Letter,
}

impl Outbound {
    /// Sends on `link` what `book` lets the sender `number` send, as `letter`s.
    pub fn new(number: usize, book: Rc<Book>, link: Rc<Link>, letter: Letter) -> Self {
        Self {
            number,
            book,
            link,
            letter,
        }
    }

    /// Sends what may be sent.
    pub fn pump(&self) {
        let now = Instant::now();
        while let Some(message) = self.book.next(self.number, now) {
            let chunk = Chunk {
                message,
                number: 0,
                first: 0,
                end: self.book.size,
            };
            self.link.add(|out| {
                self.letter.head(out, &chunk);
                out.extend_from_slice(self.book.content(self.number, message));
                self.letter.tail(out, &chunk);
            });
        }
        self.link.flush();
    }
}

/// Takes the answers that come to a sender.
pub struct Answers {
    outbound: Rc<Outbound>,
    scanner: Scanner,
}

impl Answers {
    /// The answers to what `outbound` sends.
    pub fn new(outbound: Rc<Outbound>) -> Self {
        let scanner = Scanner::default();
        Self { outbound, scanner }
    }

    fn head(&self, head: &Head<'_>, now: Instant) {
        let Outbound { number, book, .. } = &*self.outbound;
        match (head.code(), letter::read_tid(head.tid)) {
            (Some(200), Some((message, _))) => book.accepted(*number, message, now),
            (Some(code), Some((message, _))) => {
                book.refused(*number, message, &format!("answered {code}"));
            }
            (Some(_), None) => book.fault("an answer to no request of ours"),
            (None, _) => {
                let method = String::from_utf8_lossy(head.word);
                book.fault(&format!("{method} came to a sender"));
            }
        }
    }
}

impl Peer for Answers {
    fn take(&mut self, octets: &[u8]) -> Result<usize, String> {
        let now = Instant::now();
        let mut at = 0;
        loop {
            let next = self.scanner.next(&octets[at..]);
            let (used, step) = next.map_err(|garbage| garbage.to_string())?;
            at += used;
            match step {
                Step::More => return Ok(at),
                Step::Head(head) => self.head(&head, now),
                Step::Body(_) | Step::End(_) => {}
            }
        }
    }

    fn settle(&mut self) {
        self.outbound.pump();
    }

    fn writable(&mut self) {
        self.outbound.link.flush();
    }
}

/// Takes the messages that come to a receiver, and answers each chunk.
pub struct Inbound {
    number: usize,
    book: Rc<Book>,
    link: Rc<Link>,
    scanner: Scanner,
    answer: Vec<u8>,
    current: Option<Current>,
}

/// The message under way.
#[derive(Clone, Copy, Debug)]
struct Current {
    message: u64,
    at: u64,
    is_right: bool,
}

impl Inbound {
    /// The messages that come on `link` to the receiver `number`.
    pub fn new(number: usize, book: Rc<Book>, link: Rc<Link>) -> Self {
        Self {
            number,
            book,
            link,
            scanner: Scanner::default(),
            answer: Vec::new(),
            current: None,
        }
    }

    fn begin(&mut self, head: &Head<'_>) -> Result<(), String> {
        if head.word != b"SEND" {
            return Ok(());
        }
        self.answer.clear();
        letter::answer(&mut self.answer, head);
        let Some((run, number, message)) = letter::read_message_id(head.message_id) else {
            return Err("a message that nobody sent".to_owned());
        };
        if (run, number) != (self.book.run, self.number) {
            return Err("a message for somebody else".to_owned());
        }
        let (first, length) = head.range().unwrap_or((0, None));
        self.scanner.expect(length);
        let goes_on = self
            .current
            .filter(|one| one.message == message && one.at == first);
        self.current = Some(goes_on.unwrap_or(Current {
            message,
            at: first,
            is_right: first == 0,
        }));
        if head.end.is_some() {
            self.end(b'$', Instant::now());
        }
        Ok(())
    }

    fn body(&mut self, octets: &[u8]) {
        if let Some(Current {
            message,
            at,
            is_right,
        }) = &mut self.current
        {
            *is_right &= self.book.holds(self.number, *message, *at, octets);
            *at += octets.len() as u64;
        }
    }

    fn end(&mut self, flag: u8, now: Instant) {
        self.link.add(|out| out.extend_from_slice(&self.answer));
        self.answer.clear();
        if flag == b'+' {
            return;
        }
        if let Some(Current {
            message,
            at,
            is_right,
        }) = self.current.take()
        {
            let is_right = is_right && flag == b'$' && at == self.book.size;
            self.book.arrived(self.number, message, is_right, now);
        }
    }
}

impl Peer for Inbound {
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
    }

    fn writable(&mut self) {
        self.link.flush();
    }
}
