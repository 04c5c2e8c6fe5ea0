//! What one SEND costs between two sockets, out of a read that holds as many as a busy
//! connection brings: decode it, rewrite its head, encode it again. Times are per SEND.
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restante::msrp::{
    Continuation, Decoder, Frame, Head, Method, OutgoingHead,
    encoding::{put_end, put_send},
    hop::TransactionId,
    relay::route::Lines,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const SIZES: [(&str, usize); 3] = [("200B", 200), ("2KiB", 2048), ("64KiB", 65_536)];
/// Octets of one read.
const READ: usize = 64 * 1024;
const RELAY: &[u8] =
    b"msrp://relay.example.com:2855/01Qm9iQXQyMDI2c2VhbGVkLXRpY2tldC1vZi1hLXNlc3Npb24tMDE;tcp";
const BOB: &[u8] = b"msrp://192.0.2.7:2855/017d2f0c9a5be34418cc20d97be1b2a4f6;tcp";
const ALICE: &[u8] = b"msrp://192.0.2.9:2855/00a1b2c3d4e5f60718293a4b5c6d7e8f90;tcp";
const ID: &[u8] = b"9f86d081884c7d65";

fn send(size: usize) -> Vec<u8> {
    let mut wire = BytesMut::new();
    let head = OutgoingHead::new("12339sdqwer12339", "message/cpim").with_total(size as u64);
    let to = [RELAY, b" ", BOB].concat();
    put_send(&mut wire, ID, (&to, ALICE), &head, head.byte_range, true);
    wire.extend_from_slice(&vec![b'x'; size]);
    put_end(&mut wire, ID, true, Continuation::Complete);
    wire.to_vec()
}

/// A buffer that is filled and emptied as that of a stream is.
struct Reads {
    text: Vec<u8>,
    sends: u32,
    input: BytesMut,
}

impl Reads {
    fn of(size: usize) -> Self {
        let send = send(size);
        let sends = (READ / send.len()).max(1);
        Self {
            text: send.repeat(sends),
            sends: sends as u32,
            input: BytesMut::new(),
        }
    }

    /// Runs `work` over `count` SENDs or a few more; returns the time it would take for `count`.
    fn time(&mut self, count: u64, mut work: impl FnMut(&mut BytesMut)) -> Duration {
        let rounds = count.div_ceil(self.sends.into());
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            self.input.reserve(READ.max(self.text.len()));
            self.input.extend_from_slice(&self.text);
            let start = Instant::now();
            work(&mut self.input);
            total += start.elapsed();
            assert!(self.input.is_empty());
        }
        total.mul_f64(count as f64 / (rounds * u64::from(self.sends)) as f64)
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("msrp/decode");
    for (name, size) in SIZES {
        let mut reads = Reads::of(size);
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            let mut decoder = Decoder::new(8192);
            bencher.iter_custom(|count| {
                reads.time(count, |input| {
                    let mut frames = Vec::new();
                    let decoded = decoder.decode_all(input, &mut frames);
                    decoded.expect("the stream is valid");
                    black_box(&frames);
                })
            });
        });
    }
    group.finish();
}

fn relay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("msrp/decode_relay_encode");
    for (name, size) in SIZES {
        let mut reads = Reads::of(size);
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            let mut decoder = Decoder::new(8192);
            let mut way = Way::default();
            bencher.iter_custom(|count| {
                reads.time(count, |input| {
                    let mut frames = Vec::new();
                    let decoded = decoder.decode_all(input, &mut frames);
                    decoded.expect("the stream is valid");
                    for frame in frames {
                        way.pass(frame);
                    }
                    way.seal();
                    black_box(&way.parts);
                    way.parts.clear();
                })
            });
        });
    }
    group.finish();
}

/// What a relay does for a flow of SENDs that want to hear of errors: they are put together
/// again from slices, and answered.
#[derive(Default)]
struct Way {
    known: Option<(Bytes, Lines)>,
    id: u64,
    out: BytesMut,
    parts: Vec<Bytes>,
    answers: BytesMut,
}

impl Way {
    fn pass(&mut self, frame: Frame) {
        if let Some(head) = frame.head() {
            self.find(head);
            black_box((head.failure_report(), head.value("Message-ID")));
            self.id = self.id.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
        }
        let Some((_, lines)) = &self.known else {
            return;
        };
        let (id, out) = (
            TransactionId::from_random(self.id).to_octets(),
            &mut self.out,
        );
        match frame {
            Frame::Whole(whole) => {
                lines.put_whole(out, &id, whole.payload(), whole.flag());
                lines.put_answer(&mut self.answers, whole.head().transaction_id(), 200);
            }
            Frame::Head(head) => {
                lines.put_start(out, &id, Method::Send);
                out.extend_from_slice(head.after_paths());
                out.extend_from_slice(b"\r\n");
            }
            Frame::Body(octets) => {
                self.seal();
                self.parts.push(octets);
            }
            Frame::End(flag) => put_end(out, &id, true, flag),
        }
    }

    fn find(&mut self, head: &Head) {
        let paths = head.path_lines();
        if self.known.as_ref().is_none_or(|known| known.0 != paths) {
            let to = head.to_path_text().unwrap_or_default();
            let from = head.from_path_text().unwrap_or_default();
            let lines = Lines::of(to, from, 1).expect("there is a next hop");
            self.known = Some((Bytes::copy_from_slice(paths), lines));
        }
    }

    fn seal(&mut self) {
        self.parts.push(self.out.split().freeze());
        self.answers.clear();
    }
}

criterion_group!(benches, decode, relay);
criterion_main!(benches);
