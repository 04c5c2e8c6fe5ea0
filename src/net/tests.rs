//! Bounded streams over real loopback sockets.
use super::*;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Frames are lines; an empty line is a fault.
pub(super) struct Lines;

impl Decode for Lines {
    type Frame = String;
    type Error = &'static str;

    fn decode(
        &mut self,
        input: &mut BytesMut,
        frames: &mut Vec<String>,
    ) -> Result<(), &'static str> {
        while let Some(length) = memchr::memchr(b'\n', input) {
            let line = input.split_to(length);
            input.advance(1);
            if line.is_empty() {
                return Err("empty line");
            }
            frames.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(())
    }
}

async fn pair(limits: StreamLimits) -> (Inlet<Lines>, Outlet, TcpStream) {
    let listener = listen_tcp(([127, 0, 0, 1], 0).into(), Port::Claim).unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (inlet, outlet) = open(accepted, Lines, limits);
    (inlet, outlet, peer)
}

#[actix::test]
async fn one_read_gives_all_its_frames() {
    let (mut inlet, _outlet, mut peer) = pair(StreamLimits::default()).await;
    peer.write_all(b"a\nb\nc").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["a", "b"]);
    peer.write_all(b"d\n").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["cd"]);
    drop(peer);
    assert!(inlet.next().await.is_none());
}

#[actix::test]
async fn frames_before_a_fault_are_kept() {
    let (mut inlet, _outlet, mut peer) = pair(StreamLimits::default()).await;
    peer.write_all(b"a\n\nb\n").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["a"]);
    assert!(matches!(
        inlet.next().await,
        Some(Err(ReadError::Decode("empty line")))
    ));
    assert!(inlet.next().await.is_none());
}

#[actix::test]
async fn closed_gate_stops_reading_until_each_closing_is_taken_back() {
    let (mut inlet, _outlet, mut peer) = pair(StreamLimits::default()).await;
    let gate = inlet.gate();
    gate.close();
    gate.close();
    peer.write_all(b"a\n").await.unwrap();
    let wait = Duration::from_millis(50);
    assert!(tokio::time::timeout(wait, inlet.next()).await.is_err());
    gate.open();
    assert!(tokio::time::timeout(wait, inlet.next()).await.is_err());
    gate.open();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["a"]);
}

#[actix::test]
async fn writer_feels_pressure_and_nothing_is_lost() {
    let (_inlet, outlet, mut peer) = pair(StreamLimits {
        hard_limit: 64 * 1024 * 1024,
        ..StreamLimits::default()
    })
    .await;
    let piece = Bytes::from(vec![7; 1024 * 1024]);
    let mut pieces = 0;
    while outlet.write(&mut vec![piece.clone()]) == Pressure::Low {
        pieces += 1;
        assert!(pieces < 64, "the kernel can't hold this much");
    }
    pieces += 1;
    outlet.close();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), pieces * piece.len());
    outlet.when_low().await;
}

#[actix::test]
async fn writer_that_ignores_pressure_loses_the_stream() {
    let (_inlet, outlet, _peer) = pair(StreamLimits {
        high_mark: 1024,
        low_mark: 0,
        hard_limit: 1024 * 1024,
        ..StreamLimits::default()
    })
    .await;
    let piece = Bytes::from(vec![7; 1024 * 1024]);
    let last = (0..64)
        .map(|_| outlet.write(&mut vec![piece.clone()]))
        .last();
    assert_eq!(last, Some(Pressure::Closed));
    assert!(outlet.closed());
}

#[actix::test]
async fn peer_that_reads_nothing_is_dead_after_the_stall() {
    let (_inlet, outlet, _peer) = pair(StreamLimits {
        hard_limit: 64 * 1024 * 1024,
        stall: Duration::from_millis(50),
        ..StreamLimits::default()
    })
    .await;
    outlet.write(&mut vec![Bytes::from(vec![7; 32 * 1024 * 1024])]);
    outlet.when_low().await;
    assert_eq!(outlet.pressure(), Pressure::Closed);
}

#[actix::test]
async fn detached_stream_goes_on_with_the_octets_already_read() {
    let (mut inlet, outlet, mut peer) = pair(StreamLimits::default()).await;
    drop(outlet);
    peer.write_all(b"first\nrest").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["first"]);
    let mut inlet = inlet.detach().unwrap().attach().unwrap();
    peer.write_all(b" of it\n").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["rest of it"]);
}

#[actix::test]
async fn many_pieces_arrive_in_order_however_full_the_socket_is() {
    let (_inlet, outlet, mut peer) = pair(StreamLimits {
        hard_limit: 64 * 1024 * 1024,
        ..StreamLimits::default()
    })
    .await;
    let mut sent: Vec<u8> = Vec::new();
    for round in 0..200_u32 {
        let pieces = (0..150).map(|n| Bytes::from(vec![(n * round) as u8; n as usize * 7]));
        let mut pieces: Vec<_> = pieces.collect();
        sent.extend(pieces.iter().flatten());
        outlet.write(&mut pieces);
        assert!(pieces.is_empty());
    }
    outlet.close();
    let mut received = Vec::new();
    peer.read_to_end(&mut received).await.unwrap();
    assert!(received == sent);
}

#[actix::test]
async fn waiting_stream_holds_no_buffer_but_its_unfinished_frame() {
    let (mut inlet, _outlet, mut peer) = pair(StreamLimits::default()).await;
    let wait = Duration::from_millis(50);
    peer.write_all(b"a\n").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["a"]);
    assert!(tokio::time::timeout(wait, inlet.next()).await.is_err());
    assert_eq!(inlet.held(), 0);
    peer.write_all(b"unfinished").await.unwrap();
    assert!(tokio::time::timeout(wait, inlet.next()).await.is_err());
    assert!(inlet.held() < 64, "{}", inlet.held());
    peer.write_all(b" line\n").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["unfinished line"]);
}

#[actix::test]
async fn streams_that_share_an_arbiter_keep_their_octets_apart() {
    let (mut one, _one, mut first) = pair(StreamLimits::default()).await;
    let (mut two, _two, mut second) = pair(StreamLimits::default()).await;
    let long = "x".repeat(300_000);
    let write = async {
        for _ in 0..20 {
            first.write_all(b"short\nsplit ").await.unwrap();
            second.write_all(long.as_bytes()).await.unwrap();
            first.write_all(b"in two\n").await.unwrap();
            second.write_all(b"\n").await.unwrap();
        }
        drop((first, second));
    };
    let read = async |inlet: &mut Inlet<Lines>| {
        let mut lines = Vec::new();
        while let Some(read) = inlet.next().await {
            lines.extend(read.unwrap());
        }
        lines
    };
    let ((), one, two) = tokio::join!(write, read(&mut one), read(&mut two));
    assert!(one.chunks(2).all(|pair| pair == ["short", "split in two"]) && one.len() == 40);
    assert!(two.iter().all(|line| *line == long) && two.len() == 20);
}

#[actix::test]
async fn peer_that_takes_nothing_is_given_up_by_the_system_after_the_user_timeout() {
    let (mut inlet, outlet, _peer) = pair(StreamLimits {
        hard_limit: 64 * 1024 * 1024,
        stall: Duration::from_secs(3600),
        ..StreamLimits::default()
    })
    .await;
    inlet.tune(Liveness {
        user_timeout: Duration::from_millis(300),
        ..Liveness::default()
    });
    outlet.write(&mut vec![Bytes::from(vec![7; 32 * 1024 * 1024])]);
    let read = tokio::time::timeout(Duration::from_secs(20), inlet.next()).await;
    let failure = read.expect("the system gives the peer up").unwrap();
    assert!(
        matches!(failure, Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::TimedOut)
    );
}

#[actix::test]
async fn released_stream_moves_on_while_its_old_outlet_lives() {
    let (mut inlet, outlet, mut peer) = pair(StreamLimits::default()).await;
    peer.write_all(b"first\nrest").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["first"]);
    outlet.write(&mut vec!["from here\n".into()]);
    assert!(outlet.release() && !outlet.release());
    let mut inlet = inlet.detach().unwrap().attach().unwrap();
    assert_eq!(outlet.write(&mut vec!["lost".into()]), Pressure::Closed);
    outlet.abort();
    inlet.outlet().write(&mut vec!["from there\n".into()]);
    peer.write_all(b" of it\n").await.unwrap();
    assert_eq!(inlet.next().await.unwrap().unwrap(), ["rest of it"]);
    drop((inlet, outlet));
    let mut received = String::new();
    peer.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "from here\nfrom there\n");
}

#[actix::test]
async fn stream_that_is_still_written_stays() {
    let (inlet, outlet, _peer) = pair(StreamLimits {
        hard_limit: 64 * 1024 * 1024,
        ..StreamLimits::default()
    })
    .await;
    outlet.write(&mut vec![Bytes::from(vec![7; 32 * 1024 * 1024])]);
    assert!(!outlet.release());
    assert!(inlet.detach().is_err());
}

#[actix::test]
async fn shard_of_a_key_is_stable_and_runs_what_it_is_given() {
    let shards = Shards::start(3);
    assert_eq!(shards.of(b"call-1"), shards.of(b"call-1"));
    assert!(
        (0..100)
            .map(|n: u32| shards.of(&n.to_be_bytes()))
            .any(|shard| shard == 2)
    );
    let here = std::thread::current().id();
    let there = shards
        .run_on(1, || async { std::thread::current().id() })
        .await
        .unwrap();
    assert_ne!(here, there);
}
