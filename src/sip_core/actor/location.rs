use crate::{
    clock::Timestamp,
    identity::Address,
    sip_core::{Binding, binding::BindingsRecord, metrics::Metrics},
    store::{Handle, Readable, Record, Scan, StoreError, Table, Txn, View},
};
use actix::prelude::*;
use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::RwLock;
use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

/// A subscriber came, stayed or went.
#[derive(Clone, Debug, Message, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct RegistrationChanged {
    /// Who.
    pub address: Address,
    /// There is a binding now.
    pub registered: bool,
    /// There was none before.
    pub first: bool,
}

/// Where the devices of our subscribers are, from any thread. Cheap to clone.
///
/// Reading is from memory; every change is on disk first, so that bindings survive a restart.
#[derive(Clone)]
pub struct Location(Arc<Inner>);

struct Inner {
    store: Handle,
    /// Tells streams of this run of the server from those of earlier ones.
    run: u64,
    state: RwLock<State>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    bindings: HashMap<Address, Arc<[Binding]>>,
    /// When to look at whose bindings; may name times that are no longer true.
    ends: BinaryHeap<Reverse<(Timestamp, Address)>>,
}

impl Location {
    /// Reads the bindings in `store`. `run` is a number never used for it before.
    pub async fn open(store: Handle, run: u64) -> Result<Self, StoreError> {
        let location = Self(Arc::new(Inner {
            store,
            run,
            state: RwLock::default(),
            metrics: Metrics::register(),
        }));
        let mut from = vec![0];
        loop {
            let page = location.0.store.read(move |view| page(view, &from, run));
            let page = page.await?;
            let Some((last, _)) = page.last() else {
                return Ok(location);
            };
            from = [last.as_str().as_bytes(), &[0]].concat();
            for (address, bindings) in page {
                location.0.set(&address, bindings);
            }
        }
    }

    /// The live bindings of `address`, the most wanted first.
    pub fn bindings(&self, address: &Address, now: Timestamp) -> Vec<Binding> {
        self.0.live(address, now)
    }

    /// Whether `address` has a live binding.
    pub fn is_registered(&self, address: &Address, now: Timestamp) -> bool {
        let state = self.0.state.read();
        let known = state.bindings.get(address);
        known.is_some_and(|known| known.iter().any(|binding| binding.expires_at > now))
    }

    /// Who has a binding.
    pub fn addresses(&self) -> Vec<Address> {
        self.0.state.read().bindings.keys().cloned().collect()
    }

    /// Subscribers with a binding.
    pub fn len(&self) -> usize {
        self.0.state.read().bindings.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes the live bindings of `address` by `decide`, in one durable transaction; the
    /// bindings before and after. `decide` returns `None` to leave them as they are.
    pub(super) async fn change<E: Send + 'static>(
        &self,
        address: &Address,
        now: Timestamp,
        decide: impl FnOnce(Vec<Binding>) -> Result<Option<Vec<Binding>>, E> + Send + 'static,
    ) -> Result<Result<(Vec<Binding>, Vec<Binding>), E>, StoreError> {
        let (inner, address) = (self.0.clone(), address.clone());
        let work = move |txn: &mut Txn<'_>| {
            let before = inner.live(&address, now);
            let after = match decide(before.clone()) {
                Ok(Some(after)) => after,
                Ok(None) => return Ok(Ok((before.clone(), before))),
                Err(refusal) => return Ok(Err(refusal)),
            };
            inner.write(txn, &address, &after)?;
            // in the order of the transactions; should the commit fail, the process ends
            inner.set(&address, after.clone());
            Ok(Ok((before, after)))
        };
        self.0.store.write(work).await
    }

    /// Removes all bindings of `address`.
    pub async fn remove(&self, address: &Address, now: Timestamp) -> Result<bool, StoreError> {
        let all = |_| Ok::<_, std::convert::Infallible>(Some(Vec::new()));
        match self.change(address, now, all).await? {
            Ok((before, _)) => Ok(!before.is_empty()),
            Err(never) => match never {},
        }
    }

    /// Ends the bindings whose time is over; those who have none left.
    pub async fn expire(&self, now: Timestamp) -> Result<Vec<RegistrationChanged>, StoreError> {
        let mut gone = Vec::new();
        for address in self.0.ended(now) {
            let (inner, again) = (self.0.clone(), address.clone());
            let work = move |txn: &mut Txn<'_>| {
                let left = inner.live(&address, now);
                inner.write(txn, &address, &left)?;
                let registered = !left.is_empty();
                inner.set(&address, left);
                Ok((address, registered))
            };
            let outcome = self.0.store.write_relaxed(1024, work).await;
            let (address, registered) = outcome.inspect_err(|_| {
                self.0.state.write().ends.push(Reverse((now, again)));
            })?;
            self.0.metrics.expired.increment(1);
            if !registered {
                gone.push(RegistrationChanged {
                    address,
                    registered,
                    first: false,
                });
            }
        }
        Ok(gone)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

impl Inner {
    /// Those with a binding that has ended.
    fn ended(&self, now: Timestamp) -> Vec<Address> {
        let mut state = self.state.write();
        let mut ended = Vec::new();
        while let Some(Reverse((at, _))) = state.ends.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((_, address))) = state.ends.pop() else {
                break;
            };
            let known = state.bindings.get(&address);
            if known.is_some_and(|known| known.iter().any(|binding| binding.expires_at <= now)) {
                ended.push(address);
            }
        }
        ended.sort();
        ended.dedup();
        ended
    }

    /// The live bindings of `address`. Memory has what is on disk: within a transaction nobody
    /// else changes it.
    fn live(&self, address: &Address, now: Timestamp) -> Vec<Binding> {
        let state = self.state.read();
        let known = state.bindings.get(address).map(|known| &known[..]);
        live(known.unwrap_or_default(), now)
    }

    fn write(
        &self,
        txn: &mut Txn<'_>,
        address: &Address,
        bindings: &[Binding],
    ) -> Result<(), StoreError> {
        let key = Bytes::copy_from_slice(address.as_str().as_bytes());
        if bindings.is_empty() {
            txn.delete(Table::Binding, key);
            return Ok(());
        }
        txn.put_record(
            Table::Binding,
            key,
            &BindingsRecord::new(bindings, self.run),
        )
    }

    fn set(&self, address: &Address, bindings: Vec<Binding>) {
        let mut state = self.state.write();
        let first_end = bindings.iter().map(|binding| binding.expires_at).min();
        match first_end {
            Some(end) => {
                state.ends.push(Reverse((end, address.clone())));
                state.bindings.insert(address.clone(), bindings.into());
            }
            None => {
                state.bindings.remove(address);
            }
        }
        // refreshes leave old times behind: forget them before they outweigh the true ones
        if state.ends.len() > 2 * state.bindings.len() + 1024 {
            let end = |(address, bindings): (&Address, &Arc<[Binding]>)| {
                let end = bindings.iter().map(|binding| binding.expires_at).min()?;
                Some(Reverse((end, address.clone())))
            };
            let ends = state.bindings.iter().filter_map(end).collect();
            state.ends = ends;
        }
        self.metrics.registered.set(state.bindings.len() as f64);
    }
}

fn live(bindings: &[Binding], now: Timestamp) -> Vec<Binding> {
    let is_live = |binding: &&Binding| binding.expires_at > now;
    bindings.iter().filter(is_live).cloned().collect()
}

fn page(
    view: &View<'_>,
    from: &[u8],
    run: u64,
) -> Result<Vec<(Address, Vec<Binding>)>, StoreError> {
    let found = view.scan(Scan {
        table: Table::Binding,
        from,
        until: &[0xff],
        limit: 1000,
        reverse: false,
    })?;
    let mut page = Vec::with_capacity(found.len());
    for (key, octets) in found {
        let bindings = BindingsRecord::decode(&octets)?.into_bindings(run)?;
        let address = std::str::from_utf8(&key).ok();
        match address.and_then(|text| Address::parse(text).ok()) {
            Some(address) => page.push((address, bindings)),
            None => tracing::warn!("a binding of an unreadable address is passed over"),
        }
    }
    Ok(page)
}
