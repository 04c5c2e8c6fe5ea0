//! What a SIP message costs: reading, five typed headers, writing, rsip beside it; and what its
//! transaction costs.
#![allow(missing_docs, reason = "a program, not an interface")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restante::sip::{
    codec::{Builder, Framer, Limits, Message, Name, validate},
    transaction::{ClientInvite, Effect, Layer, Peer, ServerOther, Timers},
};
use rsip::{headers::ToTypedHeader, message::HeadersExt};
use std::{hint::black_box, time::Instant};

/// An INVITE as an RCS client sends it: 22 headers, 1.4 KB.
const INVITE: &str = concat!(
    "INVITE sip:bob@ims.example.com SIP/2.0\r\n",
    "Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK776asdhds.1;rport\r\n",
    "Via: SIP/2.0/UDP client.example.com:5062;branch=z9hG4bKnashds8;received=192.0.2.1\r\n",
    "Max-Forwards: 69\r\n",
    "Route: <sip:pcscf.example.com;lr>,<sip:orig@scscf.example.com;lr>\r\n",
    "From: \"Alice\" <sip:alice@ims.example.com>;tag=1928301774\r\n",
    "To: \"Bob\" <sip:bob@ims.example.com>\r\n",
    "Call-ID: a84b4c76e66710.0a1b2c3d4e5f@192.0.2.10\r\n",
    "CSeq: 314159 INVITE\r\n",
    "Contact: <sip:alice@192.0.2.10:5060;transport=TCP>\r\n",
    "P-Preferred-Identity: <sip:alice@ims.example.com>\r\n",
    "P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg\r\n",
    "Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"\r\n",
    "Conversation-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6\r\n",
    "Contribution-ID: abcdef-1234-5678-90ab-cdef01234567\r\n",
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, MESSAGE, NOTIFY, UPDATE\r\n",
    "Supported: timer, path, gruu, outbound\r\n",
    "Session-Expires: 1800;refresher=uac\r\n",
    "Min-SE: 90\r\n",
    "User-Agent: IM-client/OMA1.0 example/1.0\r\n",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Length: 265\r\n",
    "\r\n",
    "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n",
    "m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n",
    "a=max-size:5242880\r\na=setup:active\r\na=sendonly\r\n",
    "a=path:msrp://192.0.2.10:2855/s1d2f3g4h5j6;tcp\r\n",
);

fn read(criterion: &mut Criterion) {
    let octets = Bytes::from_static(INVITE.as_bytes());
    let limits = Limits::default();
    let whole = Message::parse(octets.clone(), &limits).unwrap();
    assert_eq!(
        whole.octets().len(),
        INVITE.len(),
        "Content-Length is right"
    );
    let mut group = criterion.benchmark_group("sip_read");
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    group.bench_function("index", |bench| {
        bench.iter(|| Message::parse(black_box(octets.clone()), &limits).unwrap());
    });
    group.bench_function("index_and_five_typed_headers", |bench| {
        bench.iter(|| typed(&Message::parse(black_box(octets.clone()), &limits).unwrap()));
    });
    group.bench_function("index_and_validate", |bench| {
        bench.iter(|| validate(&Message::parse(black_box(octets.clone()), &limits).unwrap()));
    });
    group.bench_function("frame_from_a_stream", |bench| {
        let mut framer = Framer::new(limits);
        let mut input = BytesMut::with_capacity(64 * 1024);
        bench.iter(|| {
            input.extend_from_slice(black_box(INVITE.as_bytes()));
            framer.next(&mut input).unwrap()
        });
    });
    group.bench_function("rsip", |bench| {
        bench.iter(|| rsip::Request::try_from(black_box(INVITE.as_bytes())).unwrap());
    });
    group.bench_function("rsip_and_five_typed_headers", |bench| {
        bench.iter(|| their_typed(&rsip::Request::try_from(black_box(INVITE.as_bytes())).unwrap()));
    });
    group.finish();
}

fn typed(message: &Message) -> usize {
    let via = message.via().unwrap();
    let (from, to) = (message.from().unwrap(), message.to().unwrap());
    let (cseq, contacts) = (message.cseq().unwrap(), message.contacts().unwrap());
    let tag = from.tag().map_or(0, str::len);
    via.params.len() + tag + to.params.len() + cseq.number as usize + contacts.list().len()
}

fn their_typed(request: &rsip::Request) -> usize {
    let via = request.via_header().unwrap().typed().unwrap();
    let from = request.from_header().unwrap().typed().unwrap();
    let to = request.to_header().unwrap().typed().unwrap();
    let cseq = request.cseq_header().unwrap().typed().unwrap();
    let contact = request.contact_header().unwrap().typed().unwrap();
    via.params.len()
        + from.params.len()
        + to.params.len()
        + cseq.seq as usize
        + contact.params.len()
}

fn write(criterion: &mut Criterion) {
    let message = Message::parse(INVITE.as_bytes().into(), &Limits::default()).unwrap();
    let theirs = rsip::Request::try_from(INVITE.as_bytes()).unwrap();
    let mut group = criterion.benchmark_group("sip_write");
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    group.bench_function("field_by_field", |bench| {
        bench.iter(|| Builder::from_message(black_box(&message)).build());
    });
    group.bench_function("rsip", |bench| {
        bench.iter(|| black_box(&theirs).to_string())
    });
    group.finish();

    let mut group = criterion.benchmark_group("sip_pass_on");
    group.bench_function("response", |bench| {
        bench.iter(|| {
            Builder::response(black_box(&message), 200)
                .to_tag("a6c85cf")
                .build()
        });
    });
    group.bench_function("via_added", |bench| {
        bench.iter(|| black_box(&message).with_top_via("SIP/2.0/TCP h;branch=z9hG4bKa"));
    });
    group.bench_function("max_forwards_and_uri_replaced", |bench| {
        bench.iter(|| {
            let message = black_box(&message).with_uri("sip:bob@192.0.2.4:5060");
            message.with_value_of(Name::MaxForwards, "68")
        });
    });
    group.finish();
}

fn transaction(criterion: &mut Criterion) {
    let (timers, now) = (Timers::default(), Instant::now());
    let mut group = criterion.benchmark_group("sip_transaction");
    // the machine alone: INVITE, 180, 200
    group.bench_function("machine_step", |bench| {
        bench.iter(|| {
            let (mut machine, _) = ClientInvite::start(&timers, false, black_box(now));
            let ringing = machine.handle_response(black_box(180), &timers, false, now);
            let accepted = machine.handle_response(black_box(200), &timers, false, now);
            (machine, ringing, accepted)
        });
    });
    group.bench_function("server_machine_step", |bench| {
        bench.iter(|| {
            let mut machine = ServerOther::start(&timers, black_box(now));
            let answered = machine.respond(black_box(200), &timers, false, now);
            (machine, answered)
        });
    });
    // the table: a request matched, told, answered and, over a stream, forgotten
    let request = "MESSAGE sip:bob@192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK776asdhds;rport\r\nMax-Forwards: 70\r\n\
        From: <sip:alice@192.0.2.1>;tag=49583\r\nTo: <sip:bob@192.0.2.1>\r\n\
        Call-ID: asd88asd77a@192.0.2.10\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n\
        Content-Length: 18\r\n\r\nWatson, come here.";
    let request = Message::parse(request.into(), &Limits::default()).unwrap();
    let from = Peer::tcp(([192, 0, 2, 10], 5060).into());
    let mut layer = Layer::new(timers, 1_000, "seed".into());
    group.bench_function("request_told_and_answered", |bench| {
        bench.iter(|| {
            layer.handle_message(black_box(request.clone()), from, now);
            let Some(Effect::Incoming { key, request, .. }) = layer.next_effect() else {
                panic!("the request was not told")
            };
            let response = Builder::response(&request, 200).to_tag("t").build();
            layer.respond(key, response, now).unwrap();
            layer.next_effect()
        });
    });
    group.finish();
}

criterion_group!(benches, read, write, transaction);
criterion_main!(benches);
