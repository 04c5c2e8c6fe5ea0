//! Messages out of a stream (RFC 3261 §18.3).
use super::{Limits, Message, ParseError, index::Index};
use bytes::{Buf, BytesMut};
use memchr::memmem;

/// What stands at the front of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A whole message.
    Message(Message),
    /// CRLF CRLF between messages: a ping, to be answered with one CRLF (RFC 5626 §3.5.1).
    KeepAlive,
}

/// Cuts a stream into messages by their Content-Length.
///
/// Remembers how far it looked and what it read of an unfinished message, so no octet is looked
/// at twice however the stream is split.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first `scanned` octets hold no end of a head.
    Head { scanned: usize },
    /// The head is read; the message is `length` octets.
    Body { index: Box<Index>, length: usize },
}

impl Framer {
    /// A framer for the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Head { scanned: 0 },
        }
    }

    /// Takes the next message or keep-alive from the front of `input`, or `None` until more
    /// octets arrive.
    ///
    /// After an error the stream is lost: there is no way to find the next message. `input` still
    /// holds the octets, for [`Message::salvage`].
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Framed>, ParseError> {
        if let State::Head { scanned } = &mut self.state {
            if *scanned == 0 && skip_line_ends(input) {
                return Ok(Some(Framed::KeepAlive));
            }
            let Some(head) = find_head_end(input, scanned, self.limits.head())? else {
                return Ok(None);
            };
            let index = Index::of(&input[..head], &self.limits)?;
            let announced = index.announced(&self.limits)?;
            let body = announced.ok_or(ParseError::ContentLengthMissing)?;
            let length = index.head + body;
            self.state = State::Body {
                index: Box::new(index),
                length,
            };
        }
        Ok(self.take_message(input).map(Framed::Message))
    }

    fn take_message(&mut self, input: &mut BytesMut) -> Option<Message> {
        let State::Body { length, .. } = self.state else {
            return None;
        };
        if input.len() < length {
            input.reserve(length - input.len());
            return None;
        }
        match std::mem::replace(&mut self.state, State::Head { scanned: 0 }) {
            State::Body { index, length } => {
                let octets = input.split_to(length).freeze();
                Some(Message::from_parts(octets, *index))
            }
            State::Head { .. } => None,
        }
    }
}

// true for a ping; a lone CRLF before a message is skipped (RFC 3261 §7.5), one at the end of
// the octets waits for its other half
fn skip_line_ends(input: &mut BytesMut) -> bool {
    loop {
        if input.starts_with(b"\r\n\r\n") {
            input.advance(4);
            return true;
        }
        if input.len() > 2 && input.starts_with(b"\r\n") && input[2] != b'\r' {
            input.advance(2);
        } else {
            return false;
        }
    }
}

fn find_head_end(
    input: &[u8],
    scanned: &mut usize,
    limit: usize,
) -> Result<Option<usize>, ParseError> {
    let too_long = Err(ParseError::HeadTooLong { limit });
    // line ends that may still become a ping are not a head
    if input.len() < 4 && input.iter().all(|octet| matches!(octet, b'\r' | b'\n')) {
        return Ok(None);
    }
    match memmem::find(&input[*scanned..], b"\r\n\r\n") {
        Some(at) if *scanned + at + 4 > limit => too_long,
        Some(at) => Ok(Some(*scanned + at + 4)),
        None if input.len() > limit => too_long,
        None => {
            // the last three octets may begin the end of the head
            *scanned = input.len().saturating_sub(3);
            Ok(None)
        }
    }
}
