//! WebSocket below the streams (RFC 6455), the server's side of it: messages of octets in frames,
//! with pings answered and farewells said.
use bytes::{Buf, BytesMut};
use std::io::{self, Cursor};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Longest payload of a ping, a pong or a farewell.
const MAX_CONTROL: u64 = 125;

/// Finds where the messages end that a stream carries.
pub trait Ends {
    /// Returns how long the front of `octets` is up to the end of the message that is under way,
    /// `None` where it does not end there. It is shown every octet once, in order.
    fn next_end(&mut self, octets: &[u8]) -> Option<usize>;
}

/// The frames of one connection.
pub(super) struct Web {
    /// What came and is not taken apart yet.
    raw: BytesMut,
    /// The data frame whose payload is coming.
    payload: Option<Payload>,
    /// The peer's message goes on in its next frame.
    in_message: bool,
    ended: bool,
    ends: Box<dyn Ends + Send>,
    /// Our message goes on in our next frame.
    is_speaking: bool,
}

struct Payload {
    left: u64,
    mask: [u8; 4],
}

impl Web {
    pub(super) fn new(ends: Box<dyn Ends + Send>) -> Self {
        Self {
            raw: BytesMut::new(),
            payload: None,
            in_message: false,
            ended: false,
            ends,
            is_speaking: false,
        }
    }

    /// Where to put what comes.
    pub(super) fn raw(&mut self) -> &mut BytesMut {
        &mut self.raw
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes what came apart: the content of messages goes to `opened`, what there is to answer
    /// to `answers`.
    pub(super) fn open(&mut self, opened: &mut BytesMut, answers: &mut Vec<u8>) -> io::Result<()> {
        while !self.ended && !self.raw.is_empty() {
            if !self.take_payload(opened) && !self.take_header(answers)? {
                break;
            }
        }
        if self.raw.is_empty() {
            self.raw = BytesMut::new();
        }
        Ok(())
    }

    /// Puts `octets` into frames, one message for each that they hold.
    pub(super) fn wrap(&mut self, mut octets: &[u8], framed: &mut Vec<u8>) {
        while !octets.is_empty() {
            let end = self.ends.next_end(octets);
            let (front, others) = octets.split_at(end.unwrap_or(octets.len()));
            octets = others;
            let code = match self.is_speaking {
                false => Data::Binary,
                true => Data::Continue,
            };
            self.is_speaking = end.is_none();
            put_frame(framed, OpCode::Data(code), end.is_some(), front);
        }
    }

    /// Says that nothing more comes.
    pub(super) fn farewell(&mut self, framed: &mut Vec<u8>) {
        if !self.ended {
            put_frame(
                framed,
                OpCode::Control(Control::Close),
                true,
                &1000_u16.to_be_bytes(),
            );
        }
    }

    /// Takes octets of the frame that is coming. `false` if none is.
    fn take_payload(&mut self, opened: &mut BytesMut) -> bool {
        let Some(Payload { left, mask }) = &mut self.payload else {
            return false;
        };
        let here = usize::try_from(*left).map_or(self.raw.len(), |left| left.min(self.raw.len()));
        let start = opened.len();
        opened.extend_from_slice(&self.raw[..here]);
        unmask(&mut opened[start..], *mask);
        self.raw.advance(here);
        mask.rotate_left(here % 4);
        *left -= here as u64;
        if *left == 0 {
            self.payload = None;
        }
        true
    }

    /// Takes the next frame's header, and the whole frame if it is a control frame. `false` if
    /// more octets are needed.
    fn take_header(&mut self, answers: &mut Vec<u8>) -> io::Result<bool> {
        let mut cursor = Cursor::new(&self.raw[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(invalid)?;
        let Some((header, length)) = parsed else {
            return Ok(false);
        };
        let start = cursor.position() as usize;
        let Some(mask) = header.mask else {
            return Err(broken("a client must mask its frames"));
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(broken("no extension was agreed on"));
        }
        match header.opcode {
            OpCode::Data(code) => {
                if (code == Data::Continue) != self.in_message {
                    return Err(broken("a message is continued that is none"));
                }
                self.in_message = !header.is_final;
                self.raw.advance(start);
                self.payload = (length > 0).then_some(Payload { left: length, mask });
            }
            OpCode::Control(_) if length > MAX_CONTROL || !header.is_final => {
                return Err(broken("a control frame is short and whole"));
            }
            OpCode::Control(code) => {
                let end = start + length as usize;
                if self.raw.len() < end {
                    return Ok(false);
                }
                let mut frame = self.raw.split_to(end);
                unmask(&mut frame[start..], mask);
                self.answer(code, &frame[start..], answers);
            }
        }
        Ok(true)
    }

    fn answer(&mut self, code: Control, payload: &[u8], answers: &mut Vec<u8>) {
        match code {
            Control::Ping => put_frame(answers, OpCode::Control(Control::Pong), true, payload),
            Control::Close => {
                let status = &payload[..payload.len().min(2)];
                put_frame(answers, OpCode::Control(Control::Close), true, status);
                self.ended = true;
            }
            Control::Pong | Control::Reserved(_) => {}
        }
    }
}

fn put_frame(out: &mut Vec<u8>, opcode: OpCode, is_final: bool, payload: &[u8]) {
    let header = FrameHeader {
        is_final,
        opcode,
        ..FrameHeader::default()
    };
    let written = header.format(payload.len() as u64, out);
    written.expect("a vector takes everything");
    out.extend_from_slice(payload);
}

fn unmask(octets: &mut [u8], mask: [u8; 4]) {
    for four in octets.chunks_mut(4) {
        for (octet, mask) in four.iter_mut().zip(mask) {
            *octet ^= mask;
        }
    }
}

pub(super) fn invalid(error: tungstenite::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

pub(super) fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
