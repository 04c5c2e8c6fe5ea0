//! What peers write on a connection, made from a seed.
use bytes::BytesMut;
use restante::msrp::{
    ByteRange, Continuation, Method, OutgoingHead,
    encoding::{put_end, put_field, put_request, put_response, put_send},
};
use std::collections::BTreeMap;

const TO: &[u8] = b"msrp://relay.example.com:2855/01c2VhbGVk;tcp msrp://b.example.com:1/b;tcp";
const FROM: &[u8] = b"msrp://a.example.com:1/a;tcp";

/// One direction of a connection: chunks of a few messages in turn, and what else comes between.
pub struct Traffic {
    /// The octets.
    pub wire: BytesMut,
    /// What the messages carry, and how they end.
    pub messages: BTreeMap<String, (Vec<u8>, Option<Continuation>)>,
    /// Stands in no message, so that ids that end with it are safe.
    pub suffix: String,
}

struct Sending {
    name: String,
    octets: Vec<u8>,
    sent: usize,
}

impl Traffic {
    /// Writes one to four messages.
    pub fn new(random: &mut Random) -> Self {
        let mut traffic = Self {
            wire: BytesMut::new(),
            messages: BTreeMap::new(),
            suffix: format!("%{:016x}", random.next()),
        };
        let mut sending: Vec<_> = (0..random.below(4) + 1)
            .map(|number| Sending {
                name: format!("m{number}"),
                octets: random.content(),
                sent: 0,
            })
            .collect();
        while !sending.is_empty() {
            let chosen = random.below(sending.len());
            if traffic.write_chunk(&mut sending[chosen], random) {
                sending.swap_remove(chosen);
            }
            traffic.write_between(random);
        }
        traffic
    }

    /// Writes one request or response alone.
    pub fn request(random: &mut Random) -> Vec<u8> {
        let mut traffic = Self {
            wire: BytesMut::new(),
            messages: BTreeMap::new(),
            suffix: String::new(),
        };
        let most = random.below(400);
        let mut sending = Sending {
            name: "m".to_owned(),
            octets: random.content().into_iter().take(most).collect(),
            sent: 0,
        };
        match random.below(4) {
            0 => traffic.write_between(random),
            _ => drop(traffic.write_chunk(&mut sending, random)),
        }
        traffic.wire.to_vec()
    }

    /// Writes the next chunk of a message; tells whether it was the last.
    fn write_chunk(&mut self, message: &mut Sending, random: &mut Random) -> bool {
        let id = format!("{:012x}", random.next() >> 16);
        let left = message.octets.len() - message.sent;
        let length = random.below(left + left / 3 + 1).min(left);
        let body = &message.octets[message.sent..message.sent + length];
        let has_body = length > 0 || random.below(3) > 0;
        let flag = match length == left {
            true => Continuation::Complete,
            false if random.below(20) == 0 => Continuation::Aborted,
            false => Continuation::MoreChunks,
        };
        let mut head = OutgoingHead::new(message.name.clone(), "text/plain");
        head.success_report = random.below(3) == 0;
        head.extra = (0..random.below(12))
            .map(|number| format!("X-{number}: {number}").into())
            .collect();
        let before = message.sent as u64;
        let last = (random.below(2) == 0).then_some(before + length as u64);
        let range = ByteRange::after(before, last, Some(message.octets.len() as u64));
        put_send(
            &mut self.wire,
            id.as_bytes(),
            (TO, FROM),
            &head,
            Some(range),
            has_body,
        );
        self.wire.extend_from_slice(body);
        put_end(&mut self.wire, id.as_bytes(), has_body, flag);
        message.sent += length;
        let record = self.messages.entry(message.name.clone()).or_default();
        record.0.extend_from_slice(body);
        record.1 = Some(flag);
        flag != Continuation::MoreChunks
    }

    /// Writes what else a connection carries: nothing, blank lines, a response, another request.
    fn write_between(&mut self, random: &mut Random) {
        let id = format!("{:08x}", random.next() >> 32);
        let (wire, id) = (&mut self.wire, id.as_bytes());
        match random.below(8) {
            0 => wire.extend_from_slice(&b"\r\n\r\n"[..2 * (random.below(2) + 1)]),
            1 | 2 => put_response(wire, id, 200 + random.below(300) as u16, FROM, TO),
            3 => {
                put_request(wire, id, Method::Report, TO, FROM);
                put_field(wire, "Message-ID", b"m");
                put_field(wire, "Status", b"000 200 OK");
                put_end(wire, id, false, Continuation::Complete);
            }
            4 => {
                put_request(wire, id, Method::Other(b"FETCH"), TO, FROM);
                put_field(wire, "Content-Type", b"text/plain");
                wire.extend_from_slice(b"\r\nwhat is behind the blank line");
                put_end(wire, id, true, Continuation::Complete);
            }
            _ => {}
        }
    }
}

/// Numbers that follow from a seed (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    /// Cuts `text` into up to `most` pieces.
    pub fn pieces<'a>(&mut self, text: &'a [u8], most: usize) -> Vec<&'a [u8]> {
        let mut cuts: Vec<_> = (0..self.below(most))
            .map(|_| self.below(text.len() + 1))
            .collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect()
    }

    /// The octets of a message: any, and those that look like framing.
    fn content(&mut self) -> Vec<u8> {
        let most = [1, 40, 400, 4096, 12_000][self.below(5)];
        let length = self.below(most);
        let mut octets = Vec::with_capacity(length + 64);
        while octets.len() < length {
            match self.below(8) {
                0 => octets.extend_from_slice(b"\r\n"),
                1 => octets.extend_from_slice(b"\r\n-------"),
                2 => octets.extend_from_slice(b"\r\n-------0011aabb$\r\n"),
                3 => octets.extend_from_slice(b"MSRP 0011aabb SEND\r\n"),
                _ => {
                    for _ in 0..self.below(40) {
                        octets.extend_from_slice(&self.next().to_le_bytes());
                    }
                }
            }
        }
        octets
    }

    /// Changes, loses, doubles or moves up to four runs of octets.
    pub fn damage(&mut self, text: &mut Vec<u8>) {
        for _ in 0..self.below(4) + 1 {
            if text.is_empty() {
                return;
            }
            let at = self.below(text.len());
            let run = at..text.len().min(at + self.below(24) + 1);
            match self.below(7) {
                0 => text[at] ^= 1 << self.below(8),
                1 => text[at] = self.next() as u8,
                2 => text[at] = b"\r\n-:$+# \0"[self.below(9)],
                3 => drop(text.drain(run)),
                4 => {
                    let double = text[run].to_vec();
                    text.splice(at..at, double);
                }
                5 => {
                    let moved: Vec<_> = text.drain(run).collect();
                    let to = self.below(text.len() + 1);
                    text.splice(to..to, moved);
                }
                _ => text.truncate(at),
            }
        }
    }
}
