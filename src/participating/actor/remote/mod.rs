//! Hands over what another server keeps for a user of this one (flow R2 between servers).
//!
//! `listing` asks what waits. `letters` has the keeper hand few and small messages over by MESSAGE,
//! through this server. `push` calls a device first and the keeper then, and joins both channels:
//! what the device answers to a last chunk is what the keeper hears, and removes the message by.
mod letters;
mod listing;
mod push;

pub(super) use listing::Fetches;

use super::{
    Services,
    drain::{Round, Turn},
};
use crate::{
    content::deferred_list::{DeferredList, Entry},
    identity::{Address, outbox},
    neighbours::{Hop, Role},
    policy::{Mode, Waiting, choose_mode},
    sip_core::Binding,
};
use listing::Unread;
use push::Push;
use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

/// Pages of a mailbox that are looked through for older messages; with more than that waiting, a
/// new message waits too.
const MOST_PAGES: usize = 5;

/// Where `mailbox` is kept, if that is not here. Outboxes always are.
pub(super) fn keeper<'a>(services: &'a Services, mailbox: &Address) -> Option<&'a Hop> {
    match services.neighbours.plays(Role::Deferred) || outbox::is_one(mailbox) {
        true => None,
        false => services.neighbours.at(Role::Deferred),
    }
}

/// How many messages wait for the owner of a mailbox at `keeper`, and the oldest of them; nothing
/// if none does.
pub(super) async fn waiting(
    services: &Services,
    owner: &Address,
    keeper: &Hop,
) -> Result<Option<(u64, u64)>, Unread> {
    let list = listing::page(services, owner, keeper, None).await?;
    let oldest = list.entries.first().map(key_of);
    Ok(oldest.map(|oldest| (total(&list), oldest)))
}

/// Whether older messages of `sender` wait for `recipient` at `keeper` that a device would take. A
/// keeper that does not say holds nothing up.
pub(super) async fn holds_up(
    services: &Services,
    (sender, recipient): (&Address, &Address),
    keeper: &Hop,
) -> bool {
    let devices = services.devices_of(recipient);
    let holds_up = |entry: &Entry| {
        let refuses = |device| services.devices.refuses(recipient, device, key_of(entry));
        let is_of_sender = entry.from.as_ref() == Some(sender);
        is_of_sender && !entry.is_notification && !devices.iter().all(refuses)
    };
    let mut after = None;
    for _ in 0..MOST_PAGES {
        let Ok(list) = listing::page(services, recipient, keeper, after.as_deref()).await else {
            return false;
        };
        if list.entries.iter().any(holds_up) {
            return true;
        }
        after = list.terms.next;
        if after.is_none() {
            return false;
        }
    }
    true
}

/// Goes on until all is handed over that `devices` take, one of them breaks off, or others wait
/// for their turn.
pub(super) async fn hand_over(round: &Round, devices: &[Binding], keeper: &Hop) -> Turn {
    let (services, recipient) = (&round.services, &round.recipient);
    let mut visit = Visit {
        round,
        devices,
        tried: HashMap::new(),
        after: None,
        was_under_way: false,
        was_left: false,
    };
    let mut push = Push::new(round, keeper);
    loop {
        let list = listing::page(services, recipient, keeper, visit.after.as_deref()).await;
        let list = match list {
            Ok(list) => list,
            Err(error) => {
                tracing::debug!(%recipient, %error, "mailbox at the deferred server not read");
                return Turn::Later;
            }
        };
        let weight = weight_of(&list);
        let wanted = visit.wanted(&list);
        if wanted.is_empty() {
            match list.terms.next {
                Some(next) => visit.after = Some(next),
                None => return visit.outcome(),
            }
            continue;
        }
        services.metrics.drains.increment(1);
        let handed = match choose_mode(weight, &services.policy) {
            Mode::Pager => letters::fetch(&mut visit, keeper, &wanted).await,
            Mode::Channel => push.hand_over(&mut visit, wanted).await,
        };
        match handed {
            Turn::Done if services.drains.is_crowded() => return Turn::Again,
            Turn::Done => {}
            turn => return turn,
        }
    }
}

/// What one turn has come to know of a mailbox.
struct Visit<'a> {
    round: &'a Round,
    devices: &'a [Binding],
    /// Messages that were offered in good order, and the devices that had their chance.
    tried: HashMap<u64, Vec<Binding>>,
    /// The mark of the page that is looked at.
    after: Option<String>,
    was_under_way: bool,
    was_left: bool,
}

impl Visit<'_> {
    /// The messages of a page that a device may take. What one of them was offered and is still
    /// there it would not have.
    fn wanted(&mut self, list: &DeferredList) -> Vec<Entry> {
        let (services, recipient) = (&self.round.services, &self.round.recipient);
        if let (None, Some(oldest)) = (&self.after, list.entries.iter().map(key_of).min()) {
            services.devices.forget_before(recipient, oldest);
        }
        let mut wanted = Vec::new();
        for entry in &list.entries {
            self.was_left = true;
            if entry.is_under_way {
                self.was_under_way = true;
                continue;
            }
            for device in self.tried.get(&key_of(entry)).into_iter().flatten() {
                services.devices.refused(recipient, device, key_of(entry));
            }
            if self
                .devices
                .iter()
                .any(|device| self.may_take(device, entry))
            {
                wanted.push(entry.clone());
            }
        }
        wanted
    }

    /// Whether `device` may be offered a message.
    fn may_take(&self, device: &Binding, entry: &Entry) -> bool {
        let (services, recipient) = (&self.round.services, &self.round.recipient);
        let tried = self.tried.get(&key_of(entry));
        let had_its_chance = tried.is_some_and(|tried| {
            let mut tried = tried.iter();
            tried.any(|one| one.contact == device.contact)
        });
        !had_its_chance && !services.devices.refuses(recipient, device, key_of(entry))
    }

    /// Notes that `device` was offered these messages in good order.
    fn offered<'e>(&mut self, device: &Binding, entries: impl IntoIterator<Item = &'e Entry>) {
        for entry in entries {
            let tried = self.tried.entry(key_of(entry)).or_default();
            tried.push(device.clone());
        }
    }

    fn outcome(&self) -> Turn {
        match (self.was_under_way, self.was_left) {
            (true, _) => Turn::Later,
            (false, true) => Turn::Left,
            (false, false) => Turn::Done,
        }
    }
}

/// What a message is known by here: its place in the mailbox, or what stands for it where the
/// keeper does not tell.
fn key_of(entry: &Entry) -> u64 {
    entry.mark.unwrap_or_else(|| {
        let mut hash = DefaultHasher::new();
        (&entry.reference, &entry.from).hash(&mut hash);
        hash.finish()
    })
}

fn total(list: &DeferredList) -> u64 {
    let listed = list.entries.len() as u64;
    list.terms.total.unwrap_or(0).max(listed)
}

fn weight_of(list: &DeferredList) -> Waiting {
    let sizes = || list.entries.iter().filter_map(|entry| entry.size);
    Waiting {
        count: total(list),
        octets: sizes().sum(),
        largest: sizes().max().unwrap_or(0),
    }
}
