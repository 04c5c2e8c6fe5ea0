//! The two ends of an XMPP stream once their clients are logged in.
use super::{book::Book, stanza};
use crate::relay::{
    letter,
    link::{Link, Peer},
};
use std::{rc::Rc, time::Instant};
use tokio::sync::Notify;

/// Asks how much has come.
const REQUEST: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";

/// Sends what the book lets one sender send.
pub struct Outbound {
    /// Its number in the run.
    pub number: usize,
    /// The book of the run.
    pub book: Rc<Book>,
    /// Its connection.
    pub link: Rc<Link>,
    /// The account of its receiver.
    pub to: String,
}

impl Outbound {
    /// Sends what may be sent, each message with a request for its acknowledgement.
    pub fn pump(&self) {
        let now = Instant::now();
        let Self {
            number, book, to, ..
        } = self;
        while let Some(message) = book.next(*number, now) {
            let run = book.run;
            let head = format!(
                "<message to='{to}' type='chat' id='{run:08x}.{number:06x}.{message:08x}'><body>"
            );
            self.link.add(|out| {
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(book.content(*number, message));
                out.extend_from_slice(b"</body></message>");
                out.extend_from_slice(REQUEST);
            });
        }
        self.link.flush();
    }
}

/// Takes what comes to a sender.
pub struct Answers {
    outbound: Rc<Outbound>,
    acknowledged: u64,
}

impl Answers {
    /// The acknowledgements of what `outbound` sends.
    pub fn new(outbound: Rc<Outbound>) -> Self {
        Self {
            outbound,
            acknowledged: 0,
        }
    }

    fn element(&mut self, element: &[u8], now: Instant) {
        let Outbound { number, book, .. } = &*self.outbound;
        match stanza::name(element) {
            b"a" => {
                let taken = stanza::attribute(element, "h").and_then(decimal);
                while self.acknowledged < taken.unwrap_or(0) {
                    self.acknowledged += 1;
                    book.accepted_next(*number, now);
                }
            }
            b"message" if stanza::attribute(element, "type") == Some(b"error") => {
                book.fault("a message was returned");
            }
            _ => {}
        }
    }
}

impl Peer for Answers {
    fn take(&mut self, octets: &[u8]) -> Result<usize, String> {
        let (now, mut at) = (Instant::now(), 0);
        while let Some((element, used)) = stanza::next(&octets[at..]).filter(|next| next.1 > 0) {
            self.element(element, now);
            at += used;
        }
        Ok(at)
    }

    fn settle(&mut self) {
        self.outbound.pump();
    }

    fn writable(&mut self) {
        self.outbound.link.flush();
    }
}

/// Takes what comes to a receiver, and acknowledges it.
pub struct Inbound {
    number: usize,
    book: Rc<Book>,
    link: Rc<Link>,
    stanzas: u64,
    is_owed: bool,
    is_empty: Rc<Notify>,
}

impl Inbound {
    /// The messages that come on `link` to the receiver `number`; `is_empty` hears when it has
    /// all that it was promised.
    pub fn new(number: usize, book: Rc<Book>, link: Rc<Link>, is_empty: Rc<Notify>) -> Self {
        Self {
            number,
            book,
            link,
            stanzas: 0,
            is_owed: false,
            is_empty,
        }
    }

    fn element(&mut self, element: &[u8], now: Instant) -> Result<(), String> {
        match stanza::name(element) {
            b"message" => self.message(element, now)?,
            b"r" => self.is_owed = true,
            _ => {}
        }
        let is_stanza = matches!(stanza::name(element), b"message" | b"presence" | b"iq");
        self.stanzas += u64::from(is_stanza);
        Ok(())
    }

    fn message(&mut self, element: &[u8], now: Instant) -> Result<(), String> {
        let id = stanza::attribute(element, "id").unwrap_or_default();
        let Some((run, number, message)) = letter::read_message_id(id) else {
            return Err("a message that nobody sent".to_owned());
        };
        if (run, number) != (self.book.run, self.number) {
            return Err("a message for somebody else".to_owned());
        }
        let body = stanza::text(element, "body").unwrap_or_default();
        self.book.arrived(
            number,
            message,
            body == self.book.content(number, message),
            now,
        );
        Ok(())
    }
}

impl Peer for Inbound {
    fn take(&mut self, octets: &[u8]) -> Result<usize, String> {
        let (now, mut at) = (Instant::now(), 0);
        while let Some((element, used)) = stanza::next(&octets[at..]).filter(|next| next.1 > 0) {
            self.element(element, now)?;
            at += used;
        }
        Ok(at)
    }

    fn settle(&mut self) {
        let is_empty = self.book.waiting(self.number) == 0;
        if self.is_owed || is_empty {
            self.is_owed = false;
            let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.stanzas);
            self.link
                .add(|out| out.extend_from_slice(answer.as_bytes()));
            self.link.flush();
        }
        if is_empty {
            self.is_empty.notify_one();
        }
    }

    fn writable(&mut self) {
        self.link.flush();
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
