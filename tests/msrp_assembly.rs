//! A message taken apart and put together again, whatever happened to its chunks on the way.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use bytes::Bytes;
use proptest::{prelude::*, sample::Index};
use restante::msrp::{Buffer, ByteRange, Chunk, Continuation, Outgoing, Progress};

proptest! {
    #[test]
    fn chunks_in_order_rebuild_the_message(
        octets in prop::collection::vec(any::<u8>(), 0..5000),
        chunk in 1..700_u64,
        known in any::<bool>(),
    ) {
        let chunks = cut(&octets, chunk, known);
        let mut buffer = Buffer::new(5000, 0);
        let fates: Vec<_> = chunks.iter().map(|chunk| put(&mut buffer, chunk)).collect();
        let total = octets.len() as u64;
        let (last, others) = fates.split_last().unwrap();
        prop_assert_eq!(*last, Progress::Complete { total });
        prop_assert!(others.iter().all(|fate| *fate == Progress::Incomplete));
        prop_assert_eq!(buffer.into_octets(), Some(octets));
    }

    #[test]
    fn chunks_in_any_order_rebuild_the_message(
        octets in prop::collection::vec(any::<u8>(), 1..3000),
        chunk in 1..700_u64,
        order in prop::collection::vec(any::<Index>(), 0..50),
    ) {
        let mut chunks = cut(&octets, chunk, true);
        for (at, with) in order.iter().enumerate() {
            let (at, with) = (at % chunks.len(), with.index(chunks.len()));
            chunks.swap(at, with);
        }
        let mut buffer = Buffer::new(3000, chunks.len());
        for chunk in &chunks {
            put(&mut buffer, chunk);
        }
        prop_assert_eq!(buffer.into_octets(), Some(octets));
    }

    /// Later chunks win: the model writes each chunk over what was there.
    #[test]
    fn overlapping_chunks_leave_what_the_later_ones_said(
        writes in prop::collection::vec((0..200_usize, prop::collection::vec(any::<u8>(), 0..80)), 0..30),
    ) {
        let mut model: Vec<Option<u8>> = Vec::new();
        let mut buffer = Buffer::new(1000, 1000);
        for (at, octets) in &writes {
            if octets.is_empty() {
                continue;
            }
            let end = at + octets.len();
            if model.len() < end {
                model.resize(end, None);
            }
            for (place, octet) in model[*at..end].iter_mut().zip(octets) {
                *place = Some(*octet);
            }
            put(&mut buffer, &Chunk {
                range: ByteRange::after(*at as u64, None, None),
                body: Bytes::copy_from_slice(octets),
                flag: Continuation::MoreChunks,
            });
        }
        // an empty last chunk fixes the length
        put(&mut buffer, &Chunk {
            range: ByteRange::after(model.len() as u64, None, None),
            body: Bytes::new(),
            flag: Continuation::Complete,
        });
        let expected: Option<Vec<u8>> = model.into_iter().collect();
        prop_assert_eq!(buffer.into_octets(), expected);
    }

    #[test]
    fn interrupted_chunks_go_on_where_they_stopped(
        octets in prop::collection::vec(any::<u8>(), 1..3000),
        stops in prop::collection::vec(1..300_usize, 1..100),
    ) {
        let mut message = Outgoing::new(Some(octets.len() as u64), 1000);
        let mut buffer = Buffer::new(3000, 0);
        for stop in stops.into_iter().chain(std::iter::repeat(500)) {
            let range = message.open();
            let rest = &octets[message.sent() as usize..];
            let length = stop.min(rest.len()).min(message.room() as usize);
            message.advance(length as u64);
            let flag = match length == rest.len() {
                true => Continuation::Complete,
                false => Continuation::MoreChunks,
            };
            let body = Bytes::copy_from_slice(&rest[..length]);
            put(&mut buffer, &Chunk { range, body, flag });
            if flag == Continuation::Complete {
                break;
            }
        }
        prop_assert_eq!(buffer.into_octets(), Some(octets));
    }
}

fn cut(octets: &[u8], chunk: u64, known: bool) -> Vec<Chunk> {
    let mut rest = Bytes::copy_from_slice(octets);
    let mut message = Outgoing::new(known.then_some(octets.len() as u64), chunk);
    std::iter::from_fn(|| message.next_chunk(&mut rest, true)).collect()
}

fn put(buffer: &mut Buffer, chunk: &Chunk) -> Progress {
    let mut cursor = buffer.begin(Some(chunk.range)).unwrap();
    for piece in chunk.body.chunks(97) {
        buffer.write(&mut cursor, piece).unwrap();
    }
    buffer.end(cursor, chunk.flag).unwrap()
}
