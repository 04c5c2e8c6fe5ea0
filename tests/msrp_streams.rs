//! Streams as the network makes them: cut anywhere, many at a time, and damaged.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "msrp/traffic.rs"]
mod traffic;

use bytes::{Bytes, BytesMut};
use restante::msrp::{
    Continuation, DecodeError, Decoder, Frame, Head, Method, OutgoingHead,
    encoding::{put_end, put_request},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use traffic::{Random, Traffic};

const MAX_HEAD: usize = 2048;
/// How long damage may be done.
const PATIENCE: Duration = Duration::from_secs(50);
/// The longest end-line there may be: line break, hyphens, id, flag, line break.
const MAX_END_LINE: usize = 2 + 7 + 64 + 1 + 2;

/// What a receiver makes of a stream: for each message its octets and whether they are all.
type Received = BTreeMap<String, (Vec<u8>, Option<Continuation>)>;

/// Ten thousand connections, a few at a time: what each of them carries reaches the far end as
/// it was sent, however the octets of all of them are cut and mixed on their way.
#[test]
fn forwarded_content_does_not_depend_on_how_streams_are_cut_and_interleaved() {
    let mut random = Random::new(0x6d73_7270);
    let mut streams = 0;
    while streams < 10_000 {
        let mut ways: Vec<_> = (0..random.below(3) + 1)
            .map(|_| Way::new(Traffic::new(&mut random)))
            .collect();
        streams += ways.len();
        while ways.iter().any(Way::has_more) {
            let chosen = random.below(ways.len());
            ways[chosen].carry(&mut random);
        }
        for (number, way) in ways.iter().enumerate() {
            let sent = &way.traffic.messages;
            assert_eq!(&way.received(), sent, "way {number} of stream {streams}");
        }
    }
}

/// A million requests with octets changed, lost, doubled or moved: each read ends in frames or
/// in an error, and what is kept for the next read stays below what the limits allow. On a
/// machine that is busy with other things it is as many as a minute has room for.
#[test]
fn damaged_requests_neither_panic_nor_pile_up() {
    let threads = (1..=4).map(|seed| std::thread::spawn(move || damage(seed, 250_000)));
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        let (damaged, refused) = thread.join().unwrap();
        assert!(refused > damaged / 10, "{refused} of {damaged} refused");
    }
}

/// Where a damaged stream is cut does not decide what is made of it.
#[test]
fn damaged_streams_are_read_the_same_however_they_are_cut() {
    let mut random = Random::new(0x4975);
    for round in 0..20_000 {
        let mut text = Traffic::request(&mut random);
        random.damage(&mut text);
        text.extend(Traffic::request(&mut random));
        let whole = decode(&mut [&text[..]].into_iter());
        let cut = decode(&mut random.pieces(&text, 40).into_iter());
        match (whole, cut) {
            (Ok(whole), Ok(cut)) => assert_eq!(whole, cut, "round {round}"),
            (Err(_), Err(_)) => {}
            (whole, cut) => panic!("round {round}: {whole:?} but {cut:?}"),
        }
    }
}

/// Damages `count` requests, or as many as there is time for, on one stream after another;
/// returns how many, and how many of them ended their stream.
fn damage(seed: u64, count: usize) -> (usize, usize) {
    let start = Instant::now();
    let mut random = Random::new(seed);
    let samples: Vec<_> = (0..64).map(|_| Traffic::request(&mut random)).collect();
    let (mut decoder, mut buf, mut frames) = (Decoder::new(MAX_HEAD), BytesMut::new(), Vec::new());
    let (mut damaged, mut refused, mut text) = (0, 0, Vec::new());
    while damaged < count && start.elapsed() < PATIENCE {
        damaged += 1;
        text.clear();
        text.extend_from_slice(&samples[random.below(samples.len())]);
        random.damage(&mut text);
        let piece = random.below(text.len() + 1) + 1;
        let lost = text.chunks(piece).any(|piece| {
            buf.extend_from_slice(piece);
            let verdict = decoder.decode_all(&mut buf, &mut frames);
            frames.drain(..).for_each(look_at);
            assert!(verdict.is_err() || buf.len() <= MAX_HEAD.max(MAX_END_LINE));
            verdict.is_err()
        });
        refused += usize::from(lost);
        // a body whose end-line is lost takes in all that follows
        if lost || random.below(2) == 0 {
            decoder = Decoder::new(MAX_HEAD);
            buf.clear();
        }
    }
    (damaged, refused)
}

/// Asks a frame all that a session or a relay asks.
fn look_at(frame: Frame) {
    if let Some(head) = frame.head() {
        let seen = head.octets().len();
        assert!(seen <= MAX_HEAD && head.path_lines().len() + head.after_paths().len() <= seen);
        assert!((1..=64).contains(&head.transaction_id().len()));
        let _ = (head.kind(), head.check(), head.byte_range(), head.status());
        let _ = head.value("Expires");
        if head.fields().count() % 4 == 0 {
            let _ = (
                head.to_path(),
                head.from_path(),
                OutgoingHead::forwarding(head),
            );
        }
    }
    if let Frame::Whole(whole) = frame {
        assert!(whole.payload().ends_with(whole.body()));
        assert_eq!(whole.split().filter(Frame::ends).count(), 1);
    }
}

/// Frames with neighbouring pieces of a body joined.
fn decode(pieces: &mut dyn Iterator<Item = &[u8]>) -> Result<Vec<Frame>, DecodeError> {
    let (mut decoder, mut buf, mut read) = (Decoder::new(MAX_HEAD), BytesMut::new(), Vec::new());
    let mut frames: Vec<Frame> = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        decoder.decode_all(&mut buf, &mut read)?;
        for frame in read.drain(..) {
            match (frames.last_mut(), frame) {
                (_, Frame::Whole(whole)) => frames.extend(whole.split()),
                (Some(Frame::Body(before)), Frame::Body(after)) => {
                    *before = Bytes::from([&before[..], &after].concat());
                }
                (_, frame) => frames.push(frame),
            }
        }
    }
    Ok(frames)
}

/// A connection through one hop that gives each request a new id and new paths.
struct Way {
    traffic: Traffic,
    carried: usize,
    decoder: Decoder,
    buf: BytesMut,
    /// The id of the SEND that is open, and whether it has a body.
    open: Option<(Vec<u8>, bool)>,
    requests: u32,
    out: BytesMut,
}

impl Way {
    fn new(traffic: Traffic) -> Self {
        Self {
            traffic,
            carried: 0,
            decoder: Decoder::new(MAX_HEAD),
            buf: BytesMut::new(),
            open: None,
            requests: 0,
            out: BytesMut::new(),
        }
    }

    fn has_more(&self) -> bool {
        self.carried < self.traffic.wire.len()
    }

    /// Takes some more octets, down to one.
    fn carry(&mut self, random: &mut Random) {
        let rest = &self.traffic.wire[self.carried..];
        let most = [3, 80, 2000, 20_000][random.below(4)];
        let piece = &rest[..rest.len().min(random.below(most) + 1)];
        self.carried += piece.len();
        self.buf.extend_from_slice(piece);
        let mut frames = Vec::new();
        self.decoder.decode_all(&mut self.buf, &mut frames).unwrap();
        for frame in frames {
            self.forward(frame);
        }
    }

    fn forward(&mut self, frame: Frame) {
        match frame {
            Frame::Whole(whole) => {
                let id = self.open_request(whole.head());
                self.out.extend_from_slice(whole.payload());
                put_end(&mut self.out, &id, true, whole.flag());
            }
            Frame::Head(head) if head.is_send() => {
                let id = self.open_request(&head);
                self.out.extend_from_slice(head.after_paths());
                if head.has_body() {
                    self.out.extend_from_slice(b"\r\n");
                }
                self.open = Some((id, head.has_body()));
            }
            Frame::Body(octets) if self.open.is_some() => self.out.extend_from_slice(&octets),
            Frame::End(flag) => {
                if let Some((id, has_body)) = self.open.take() {
                    put_end(&mut self.out, &id, has_body, flag);
                }
            }
            Frame::Head(_) | Frame::Body(_) => {}
        }
    }

    fn open_request(&mut self, head: &Head) -> Vec<u8> {
        assert!(self.open.is_none());
        self.requests += 1;
        let id = format!("{:08x}{}", self.requests, self.traffic.suffix).into_bytes();
        let to = head.from_path_text().unwrap();
        let from = head.to_path_text().unwrap();
        put_request(&mut self.out, &id, Method::Send, to, from);
        id
    }

    /// Puts together what the far end gets.
    fn received(&self) -> Received {
        let mut received = Received::new();
        let mut message = String::new();
        for frame in decode(&mut [&self.out[..]].into_iter()).unwrap() {
            match frame {
                Frame::Head(head) => {
                    message = head.message_id().unwrap().to_owned();
                    let (octets, _) = received.entry(message.clone()).or_default();
                    let range = head.byte_range().unwrap().unwrap();
                    assert_eq!(range.offset(), octets.len() as u64);
                }
                Frame::Body(octets) => {
                    let so_far = received.get_mut(&message).unwrap();
                    so_far.0.extend_from_slice(&octets);
                }
                Frame::End(flag) => received.get_mut(&message).unwrap().1 = Some(flag),
                Frame::Whole(_) => unreachable!("they are split"),
            }
        }
        received
    }
}
