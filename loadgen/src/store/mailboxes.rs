//! The deferred function over a folder, and the steps that a message takes through it.
use super::options::Store;
use crate::{
    octets::Numbers,
    progress::Progress,
    relay::content::{Content, start_of},
};
use actix::prelude::*;
use bytes::Bytes;
use bytesize::ByteSize;
use futures_util::{StreamExt, TryStreamExt, stream};
use restante::{
    deferred::{Config, Deferred, Directory, Envelope, Facts, Queue},
    identity::Address,
    policy::{Settings, Standing},
    store::{self, Handle, Lsm, Threads},
    telemetry::figures_of,
};
use std::{path::Path, sync::Arc, time::Instant};

/// Messages that one page holds, as the server's pages do.
pub const PAGE: usize = 200;

/// Names the contents of all runs, so that a second process knows what the first one wrote.
const SEED: u64 = 7;

/// All mailboxes of a run.
pub struct Mailboxes {
    function: Deferred,
    handle: Handle,
    threads: Threads,
    content: Content,
    size: u64,
}

impl Mailboxes {
    /// Opens the function over `folder`, as the server does.
    ///
    /// Errors: a sentence for the user.
    pub async fn open(folder: &Path, options: &Store) -> Result<Self, String> {
        let told = |error: store::StoreError| format!("{}: {error}", folder.display());
        let mut config = store::Config::default();
        config.write_buffer = options.write_buffer.unwrap_or(config.write_buffer);
        config.cache = options.cache.unwrap_or(config.cache);
        let engine = Arc::new(Lsm::open(folder, &config).map_err(told)?);
        let (handle, threads) = Handle::start(engine, &config, store::abort()).map_err(told)?;
        let limits = Config {
            max_messages: 1 << 40,
            max_octets: ByteSize(1 << 50),
            max_share: 100,
            max_deposits: 1 << 20,
            ..Config::default()
        };
        let function = Deferred::open(handle.clone(), limits, everybody()).await;
        let function = function.map_err(told)?;
        let nobody = Arc::new(|_: &Address| false);
        Queue::new(function.clone(), Vec::new(), nobody).start();
        let size = options.size.as_u64();
        let content = Content::new(SEED);
        Ok(Self {
            function,
            handle,
            threads,
            content,
            size,
        })
    }

    /// Ends in order.
    pub fn close(self) {
        self.threads.stop();
    }

    /// Stores message `number` of `mailbox`; returns when it is on disk.
    ///
    /// Errors: a sentence for the user.
    pub async fn accept(&self, mailbox: u64, number: u64) -> Result<(), String> {
        let start = start_of(mailbox as usize, number);
        let content = Bytes::copy_from_slice(self.content.piece(start, 0, self.size));
        let sender = address("sender", number % 1000);
        let mut facts = Facts::new(sender, address("reader", mailbox), id(mailbox, number));
        facts.content_type = "text/plain".to_owned();
        facts.size = self.size;
        let stored = self.function.accept(facts, content).await;
        stored
            .map(drop)
            .map_err(|refusal| format!("not stored: {refusal}"))
    }

    /// The first page of `mailbox`; how many messages it has.
    ///
    /// Errors: a sentence for the user.
    pub async fn list(&self, mailbox: u64) -> Result<usize, String> {
        let page = self
            .function
            .list(&address("reader", mailbox), 0, PAGE)
            .await;
        page.map(|page| page.len()).map_err(told)
    }

    /// Hands the oldest message of `mailbox` over; false if nothing waits there, or all of it is
    /// on its way already.
    ///
    /// Errors: a sentence for the user, also about a message that came changed.
    pub async fn fetch(&self, mailbox: u64) -> Result<bool, String> {
        let owner = address("reader", mailbox);
        let watch = self.function.watch(&owner);
        let page = self.function.list(&owner, 0, 4).await.map_err(told)?;
        for envelope in &page {
            let Some(transfer) = watch.transfer(envelope, "sent by the load generator") else {
                continue;
            };
            let octets = self.octets_of(envelope).await?;
            if !self.is_right(mailbox, envelope, &octets) {
                return Err(format!("{} came changed", envelope.facts.message_id));
            }
            return transfer.confirm("read").await.map_err(told);
        }
        Ok(false)
    }

    async fn octets_of(&self, envelope: &Envelope) -> Result<Vec<u8>, String> {
        let mut octets = Vec::new();
        for index in 0..envelope.pieces() {
            let piece = self.function.piece(envelope, index).await;
            let piece = piece.map_err(told)?;
            octets.extend_from_slice(&piece.ok_or("a piece is missing")?);
        }
        Ok(octets)
    }

    fn is_right(&self, mailbox: u64, envelope: &Envelope, octets: &[u8]) -> bool {
        let number = envelope.facts.message_id.rsplit('-').next();
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            return false;
        };
        let start = start_of(mailbox as usize, number);
        octets.len() as u64 == self.size && self.content.holds(start, 0, octets)
    }

    /// How many messages wait.
    ///
    /// Errors: a sentence for the user.
    pub async fn waiting(&self) -> Result<u64, String> {
        let totals = self.function.totals().await;
        totals.map(|totals| totals.messages).map_err(told)
    }

    /// Octets on disk.
    pub fn space(&self) -> u64 {
        self.handle.space()
    }
}

/// Does `step` for each number in `range`, some at the same time, with progress.
///
/// Errors: the first that a step met.
pub async fn each<F: Future<Output = Result<(), String>>>(
    name: &'static str,
    range: std::ops::Range<u64>,
    (concurrency, is_quiet): (u32, bool),
    step: impl FnMut(u64) -> F,
) -> Result<(), String> {
    let total = range.end.saturating_sub(range.start);
    let mut progress = Progress::begin(name, total, is_quiet, Instant::now());
    let steps = stream::iter(range).map(step);
    let mut steps = steps.buffer_unordered(concurrency as usize);
    let mut done = 0;
    while steps.try_next().await?.is_some() {
        done += 1;
        if done % 1024 == 0 {
            progress.at(done, Instant::now());
        }
    }
    progress.end(done, Instant::now());
    Ok(())
}

/// Resident memory of this process.
pub fn resident() -> u64 {
    figures_of(std::process::id()).map_or(0, |figures| figures.resident)
}

/// A number below `limit` that follows from `number`.
pub fn drawn(number: u64, limit: u64) -> u64 {
    Numbers::new(SEED, number).below(limit)
}

fn address(kind: &str, number: u64) -> Address {
    let text = format!("sip:{kind}-{number}@localhost");
    Address::parse(&text).expect("letters and digits are an address")
}

fn id(mailbox: u64, number: u64) -> String {
    format!("m-{mailbox}-{number}")
}

fn everybody() -> Directory {
    Arc::new(|_, _| Ok(Standing::Accepts(Settings::default())))
}

fn told(error: store::StoreError) -> String {
    format!("the store: {error}")
}
