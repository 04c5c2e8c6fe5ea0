//! An engine that remembers where each scan began.
use super::bench::{address, directory, facts};
use bytes::Bytes;
use parking_lot::Mutex;
use restante::{
    deferred::{Config, Deferred},
    store::{self, Batch, Durability, Engine, Handle, Memory, Readable, Scan, StoreError, Table},
};
use std::sync::Arc;

#[derive(Default)]
struct Recording {
    memory: Memory,
    scans: Mutex<Vec<(Table, Vec<u8>)>>,
}

struct Recorder<'a> {
    below: Box<dyn Readable + 'a>,
    scans: &'a Mutex<Vec<(Table, Vec<u8>)>>,
}

impl Readable for Recorder<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.below.get(table, key)
    }
    fn scan(&self, scan: Scan<'_>) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.scans.lock().push((scan.table, scan.from.to_vec()));
        self.below.scan(scan)
    }
    fn keys(&self, scan: Scan<'_>) -> Result<Vec<Bytes>, StoreError> {
        self.scans.lock().push((scan.table, scan.from.to_vec()));
        self.below.keys(scan)
    }
}

impl Engine for Recording {
    fn view(&self) -> Box<dyn Readable + '_> {
        Box::new(Recorder {
            below: self.memory.view(),
            scans: &self.scans,
        })
    }
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        self.memory.commit(batch, durability)
    }
    fn reclaim(&self, table: Table) -> Result<(), StoreError> {
        self.memory.reclaim(table)
    }
    fn space(&self) -> u64 {
        self.memory.space()
    }
    fn free(&self) -> Option<u64> {
        None
    }
}

#[tokio::test]
async fn reading_begins_at_the_head_and_never_among_what_was_delivered() {
    let engine = Arc::new(Recording::default());
    let config = store::Config::default();
    let (handle, _) = Handle::start(engine.clone(), &config, store::abort()).unwrap();
    let function = Deferred::open(handle, Config::default(), directory())
        .await
        .unwrap();
    let bob = address("bob");
    for n in 1..=20 {
        let id = n.to_string();
        function.accept(facts(&id), "x".into()).await.unwrap();
    }
    for sequence in 1..=15 {
        function.confirm(&bob, sequence, "").await.unwrap();
    }
    engine.scans.lock().clear();
    function.list(&bob, 0, 10).await.unwrap();
    function.list(&bob, 3, 10).await.unwrap();
    function.confirm(&bob, 16, "").await.unwrap();
    for sequence in 17..=20 {
        function.confirm(&bob, sequence, "").await.unwrap();
    }
    function.list(&bob, 0, 10).await.unwrap();
    for n in 21..=23 {
        let id = n.to_string();
        function.accept(facts(&id), "x".into()).await.unwrap();
    }
    function.confirm(&bob, 22, "").await.unwrap();
    function.confirm(&bob, 21, "").await.unwrap();
    let scans = engine.scans.lock().clone();
    let begun: Vec<u64> = scans
        .iter()
        .filter(|(table, _)| *table == Table::Envelope)
        .map(|(_, from)| u64::from_be_bytes(*from.last_chunk().unwrap()))
        .collect();
    // two pages from the head, nothing for the empty mailbox; the next head is looked for only
    // where a message behind it has gone before
    assert_eq!(begun, [16, 16, 22]);
}
