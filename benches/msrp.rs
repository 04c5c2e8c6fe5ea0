//! What one SEND costs between two sockets: decode it, rewrite its head, encode it again.
use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use restante::msrp::{
    Continuation, Decoder, Frame, Head, OutgoingHead,
    encoding::{put_end, put_send},
};
use std::hint::black_box;

const SIZES: [(&str, usize); 3] = [("200B", 200), ("2KiB", 2048), ("64KiB", 65_536)];
const TO: &[u8] = b"msrp://192.0.2.7:2855/017d2f0c9a5be34418cc20d97be1b2a4f6;tcp";
const FROM: &[u8] = b"msrp://192.0.2.9:2855/00a1b2c3d4e5f60718293a4b5c6d7e8f90;tcp";
const ID: &[u8] = b"9f86d081884c7d65";

fn send(size: usize) -> Bytes {
    let mut wire = BytesMut::new();
    let head = OutgoingHead::new("12339sdqwer12339", "message/cpim").with_total(size as u64);
    put_send(&mut wire, ID, (TO, FROM), &head, head.byte_range, true);
    wire.extend_from_slice(&vec![b'x'; size]);
    put_end(&mut wire, ID, true, Continuation::Complete);
    wire.freeze()
}

fn forward(
    decoder: &mut Decoder,
    input: &mut BytesMut,
    out: &mut BytesMut,
    parts: &mut Vec<Bytes>,
) {
    while let Ok(Some(frame)) = decoder.decode(input) {
        match frame {
            Frame::Whole(whole) => {
                open(whole.head(), out);
                out.extend_from_slice(whole.body());
                put_end(out, ID, true, whole.flag());
            }
            Frame::Head(head) => open(&head, out),
            Frame::Body(octets) if octets.len() < 4096 => out.extend_from_slice(&octets),
            Frame::Body(octets) => {
                parts.push(out.split().freeze());
                parts.push(octets);
            }
            Frame::End(flag) => put_end(out, ID, true, flag),
        }
    }
}

fn open(head: &Head, out: &mut BytesMut) {
    let forwarded = OutgoingHead::forwarding(head);
    let (range, has_body) = (forwarded.byte_range, head.has_body());
    put_send(out, ID, (TO, FROM), &forwarded, range, has_body);
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("msrp/decode_encode");
    for (name, size) in SIZES {
        let wire = send(size);
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |bencher| {
            let mut decoder = Decoder::new(8192);
            let (mut out, mut parts) = (BytesMut::with_capacity(128 * 1024), Vec::new());
            bencher.iter_batched_ref(
                || BytesMut::from(&wire[..]),
                |input| {
                    out.clear();
                    parts.clear();
                    forward(&mut decoder, input, &mut out, &mut parts);
                    black_box((&out, &parts));
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, chunks);
criterion_main!(benches);
