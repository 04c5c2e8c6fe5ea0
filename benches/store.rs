//! What a durable commit costs in groups of 1, 16 and 256 records of 1 KiB, beside the floor the
//! disk sets: a plain file that takes the same octets and is synced as often. Before that, how near
//! group commit under many producers comes to what the disk can do (`cargo bench --bench store
//! limit` for this alone).
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#[path = "store/limit.rs"]
mod limit;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use restante::store::{Batch, Config, Durability, Engine, Handle, Lsm, Table};
use std::{fs::File, io::Write, sync::Arc, time::Duration};

const GROUPS: [usize; 3] = [1, 16, 256];
const RECORD: usize = 1024;

fn engine(folder: &tempfile::TempDir) -> Arc<Lsm> {
    let engine = Lsm::open(folder.path(), &Config::default());
    Arc::new(engine.expect("a fresh folder opens"))
}

fn key(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn raw(c: &mut Criterion) {
    let mut group = c.benchmark_group("fdatasync of a plain file");
    for size in GROUPS {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let folder = tempfile::tempdir().expect("temporary folder");
            let mut file = File::create(folder.path().join("raw")).expect("file");
            file.set_len(1 << 26)
                .expect("preallocated, as a journal is");
            let octets = vec![b'x'; size * RECORD];
            b.iter(|| {
                file.write_all(&octets).expect("written");
                file.sync_data().expect("synced");
            });
        });
    }
}

fn commit(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit of a group");
    for size in GROUPS {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let folder = tempfile::tempdir().expect("temporary folder");
            let engine = engine(&folder);
            let value = Bytes::from(vec![b'x'; RECORD]);
            let mut number = 0;
            b.iter(|| {
                let mut batch = Batch::default();
                for _ in 0..size {
                    number += 1;
                    batch.push(Table::Envelope, key(number), Some(value.clone()));
                }
                engine.commit(&batch, Durability::Durable).expect("synced");
            });
        });
    }
}

fn handle(c: &mut Criterion) {
    let mut group = c.benchmark_group("writes through the writer thread");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    for size in GROUPS {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let folder = tempfile::tempdir().expect("temporary folder");
            let fatal = restante::store::abort();
            let (handle, threads) =
                Handle::start(engine(&folder), &Config::default(), fatal).expect("threads start");
            let value = Bytes::from(vec![b'x'; RECORD]);
            let mut number = 0;
            b.iter(|| {
                let writes = (0..size).map(|_| {
                    number += 1;
                    let (key, value) = (key(number), value.clone());
                    handle.write_large(RECORD, move |txn| {
                        txn.put(Table::Envelope, key, value);
                        Ok(())
                    })
                });
                for done in runtime.block_on(futures_util::future::join_all(writes)) {
                    done.expect("synced");
                }
            });
            threads.stop();
        });
    }
}

criterion_group!(benches, raw, commit, handle);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let is_only = arguments.iter().any(|argument| argument == "limit");
    let (rounds, time) = match is_bench {
        true => (5, Duration::from_secs(2)),
        false => (1, Duration::from_millis(50)),
    };
    limit::run(rounds, time);
    if !is_only {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
