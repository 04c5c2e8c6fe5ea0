use crate::{identity::Address, sip_core::Binding};
use parking_lot::Mutex;
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

/// How the devices of all users take what waits for them: which of them do not answer, and what
/// they would not have. A device of which nothing is known here is in order.
#[derive(Clone, Default)]
pub struct Devices(Arc<Mutex<HashMap<Address, HashMap<String, Health>>>>);

/// What is known of one device since its login.
#[derive(Debug, Default)]
struct Health {
    /// Call-ID and number of the REGISTER it was last tried under.
    register: (String, u32),
    /// Failures in a row.
    failures: u32,
    rest: Option<Rest>,
    /// Messages it would not have, by sequence.
    refused: BTreeSet<u64>,
    /// It takes nothing over a stream: what is too long for a datagram needs a channel.
    needs_channel: bool,
    /// The oldest message when it was last told that something waits.
    told: Option<u64>,
}

/// How long a device is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Until then.
    Until(Instant),
    /// Until it registers again.
    UntilRegistered,
}

/// Messages refused by one device that are remembered; what it refuses beyond is tried again.
const MOST_REFUSED: usize = 4096;
/// Users of whose devices something is remembered.
const MOST_USERS: usize = 100_000;

impl Devices {
    /// Puts the devices of `user` into the order in which they are tried: those that answer
    /// before those that did not, then the most wanted first; among equals the one heard of last,
    /// which is the likeliest to be there. Forgets what is known of devices that are gone.
    pub fn arrange(&self, user: &Address, bindings: &mut [Binding]) {
        let mut known = self.0.lock();
        let Some(devices) = known.get_mut(user) else {
            return bindings.sort_by_key(|one| Reverse((one.q(), one.expires_at)));
        };
        devices.retain(|name, health| {
            let device = bindings.iter().find(|one| name_of(one) == *name);
            let is_marked = health.failures > 0
                || !health.refused.is_empty()
                || health.needs_channel
                || health.told.is_some();
            is_marked && device.is_some_and(|device| health.is_of(device))
        });
        let failures = |one: &Binding| devices.get(&name_of(one)).map_or(0, |known| known.failures);
        bindings.sort_by_cached_key(|one| (failures(one), Reverse((one.q(), one.expires_at))));
        if devices.is_empty() {
            known.remove(user);
        }
    }

    /// How long `device` is to be left alone; `None` if it may be tried.
    pub fn rest(&self, user: &Address, device: &Binding, now: Instant) -> Option<Rest> {
        self.look(user, device, |health| match health.rest? {
            Rest::Until(until) if until <= now => None,
            Rest::UntilRegistered if health.register.1 != device.cseq => None,
            rest => Some(rest),
        })?
    }

    /// How often `device` has failed in a row.
    pub fn failures(&self, user: &Address, device: &Binding) -> u32 {
        self.look(user, device, |health| health.failures)
            .unwrap_or(0)
    }

    /// Notes that `device` did not answer, or broke off: it rests.
    pub fn failed(&self, user: &Address, device: &Binding, rest: Rest) {
        self.note(user, device, |health| {
            health.failures = health.failures.saturating_add(1);
            health.rest = Some(rest);
            health.register.1 = device.cseq;
        });
    }

    /// Notes that `device` answers. Says whether it had not.
    pub fn answered(&self, user: &Address, device: &Binding) -> bool {
        let mut known = self.0.lock();
        let Some(devices) = known.get_mut(user) else {
            return false;
        };
        let Some(health) = devices.get_mut(&name_of(device)) else {
            return false;
        };
        let had_failed = std::mem::take(&mut health.failures) > 0;
        health.rest = None;
        had_failed
    }

    /// Notes that `device` will not have the message with `sequence`.
    pub fn refused(&self, user: &Address, device: &Binding, sequence: u64) {
        self.note(user, device, |health| {
            if health.refused.len() < MOST_REFUSED {
                health.refused.insert(sequence);
            }
        });
    }

    /// Whether `device` refused the message with `sequence` since its login.
    pub fn refuses(&self, user: &Address, device: &Binding, sequence: u64) -> bool {
        self.look(user, device, |health| health.refused.contains(&sequence))
            .unwrap_or(false)
    }

    /// Notes that `device` takes nothing over a stream, and had a MESSAGE too long for a datagram.
    pub fn needs_channel(&self, user: &Address, device: &Binding) {
        self.note(user, device, |health| health.needs_channel = true);
    }

    /// Whether one of `devices` can have long messages over a channel only.
    pub fn need_channel(&self, user: &Address, devices: &[Binding]) -> bool {
        devices.iter().any(|one| {
            self.look(user, one, |health| health.needs_channel)
                .unwrap_or(false)
        })
    }

    /// Notes that `device` is told of the mailbox whose oldest message is `oldest`. Says whether
    /// that is news to it.
    pub fn tell(&self, user: &Address, device: &Binding, oldest: u64) -> bool {
        let mut is_news = false;
        self.note(user, device, |health| {
            is_news = health.told.replace(oldest) != Some(oldest);
        });
        is_news
    }

    /// Forgets refusals of messages of `user` before `head`: they are gone.
    pub fn forget_before(&self, user: &Address, head: u64) {
        if let Some(devices) = self.0.lock().get_mut(user) {
            for health in devices.values_mut() {
                health.refused = health.refused.split_off(&head);
            }
        }
    }

    fn look<R>(
        &self,
        user: &Address,
        device: &Binding,
        look: impl FnOnce(&Health) -> R,
    ) -> Option<R> {
        let known = self.0.lock();
        let health = known.get(user)?.get(&name_of(device))?;
        health.is_of(device).then(|| look(health))
    }

    fn note(&self, user: &Address, device: &Binding, note: impl FnOnce(&mut Health)) {
        let mut known = self.0.lock();
        if known.len() >= MOST_USERS && !known.contains_key(user) {
            // what is forgotten costs one more try
            known.clear();
        }
        let health = known.entry(user.clone()).or_default();
        let health = health.entry(name_of(device)).or_default();
        if !health.is_of(device) {
            *health = Health {
                register: (device.call_id.clone(), device.cseq),
                ..Health::default()
            };
        }
        note(health);
    }
}

impl Health {
    /// Whether `device` has not logged in anew since: a new login begins with a clean slate.
    fn is_of(&self, device: &Binding) -> bool {
        self.register.0 == device.call_id
    }
}

/// What a device is known by: its instance, else its contact.
fn name_of(device: &Binding) -> String {
    device
        .instance()
        .unwrap_or_else(|| device.contact.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{self, Timestamp},
        sip::{codec::NameAddr, transaction::Peer},
    };
    use std::time::Duration;

    fn bob() -> Address {
        Address::parse("sip:bob@example.com").unwrap()
    }

    fn device(contact: &str, expires: u64, call_id: &str, cseq: u32) -> Binding {
        let contact = NameAddr::parse(contact).unwrap();
        Binding {
            contact: contact.uri,
            params: contact.params,
            expires_at: Timestamp::from_millis(expires),
            call_id: call_id.to_owned(),
            cseq,
            path: Vec::new(),
            source: Peer::tcp(([127, 0, 0, 1], 5060).into()),
        }
    }

    fn arranged(devices: &Devices, bindings: &[&Binding]) -> Vec<String> {
        let mut bindings: Vec<Binding> = bindings.iter().map(|&one| one.clone()).collect();
        devices.arrange(&bob(), &mut bindings);
        bindings.iter().map(|one| one.contact.to_string()).collect()
    }

    #[test]
    fn device_that_did_not_answer_is_tried_last_until_it_does() {
        let devices = Devices::default();
        let desk = device("<sip:b@desk>;q=0.9", 1, "a", 1);
        let phone = device("<sip:b@phone>;q=0.5", 1, "b", 1);
        let tablet = device("<sip:b@tablet>;q=0.5", 2, "c", 1);
        let all = [&phone, &desk, &tablet];
        let usual = ["sip:b@desk", "sip:b@tablet", "sip:b@phone"];
        assert_eq!(arranged(&devices, &all), usual);
        let soon = Rest::Until(clock::now() + Duration::from_secs(5));
        devices.failed(&bob(), &desk, soon);
        let others_first = ["sip:b@tablet", "sip:b@phone", "sip:b@desk"];
        assert_eq!(arranged(&devices, &all), others_first);
        assert_eq!(devices.failures(&bob(), &desk), 1);
        assert!(devices.answered(&bob(), &desk) && !devices.answered(&bob(), &desk));
        assert_eq!(arranged(&devices, &all), usual);
    }

    #[test]
    fn device_rests_for_its_time() {
        let devices = Devices::default();
        let phone = device("<sip:b@phone>", 1, "a", 1);
        let now = clock::now();
        let until = now + Duration::from_secs(5);
        assert_eq!(devices.rest(&bob(), &phone, now), None);
        devices.failed(&bob(), &phone, Rest::Until(until));
        let rest = devices.rest(&bob(), &phone, now);
        assert_eq!(rest, Some(Rest::Until(until)));
        assert_eq!(devices.rest(&bob(), &phone, until), None);
    }

    #[test]
    fn given_up_device_is_tried_again_when_it_registers() {
        let devices = Devices::default();
        let phone = device("<sip:b@phone>", 1, "a", 1);
        let now = clock::now();
        devices.failed(&bob(), &phone, Rest::UntilRegistered);
        let rest = devices.rest(&bob(), &phone, now);
        assert_eq!(rest, Some(Rest::UntilRegistered));
        let refreshed = device("<sip:b@phone>", 2, "a", 2);
        assert_eq!(devices.rest(&bob(), &refreshed, now), None);
        assert_eq!(devices.failures(&bob(), &refreshed), 1);
    }

    #[test]
    fn new_login_begins_with_a_clean_slate() {
        let devices = Devices::default();
        let phone = device("<sip:b@phone>", 1, "a", 7);
        devices.failed(&bob(), &phone, Rest::UntilRegistered);
        devices.refused(&bob(), &phone, 3);
        let again = device("<sip:b@phone>", 2, "another", 7);
        assert_eq!(devices.rest(&bob(), &again, clock::now()), None);
        assert_eq!(devices.failures(&bob(), &again), 0);
        assert!(!devices.refuses(&bob(), &again, 3));
        arranged(&devices, &[&again]);
        assert!(devices.0.lock().is_empty(), "nothing is left of the old");
    }

    #[test]
    fn device_is_told_once_of_the_same_oldest_message() {
        let devices = Devices::default();
        let phone = device("<sip:b@phone>", 1, "a", 1);
        assert!(devices.tell(&bob(), &phone, 3) && !devices.tell(&bob(), &phone, 3));
        arranged(&devices, &[&phone]);
        assert!(!devices.tell(&bob(), &phone, 3) && devices.tell(&bob(), &phone, 9));
        let again = device("<sip:b@phone>", 1, "another", 1);
        assert!(devices.tell(&bob(), &again, 9));
    }

    #[test]
    fn message_is_refused_by_the_device_that_would_not_have_it() {
        let devices = Devices::default();
        let phone = device("<sip:b@nat>;+sip.instance=\"<urn:uuid:1>\"", 1, "a", 1);
        let moved = device("<sip:b@else>;+sip.instance=\"<urn:uuid:1>\"", 1, "a", 2);
        let desk = device("<sip:b@desk>", 1, "b", 1);
        devices.refused(&bob(), &phone, 3);
        devices.refused(&bob(), &phone, 5);
        assert!(devices.refuses(&bob(), &moved, 3) && !devices.refuses(&bob(), &desk, 3));
        devices.forget_before(&bob(), 4);
        assert!(!devices.refuses(&bob(), &phone, 3) && devices.refuses(&bob(), &phone, 5));
    }
}
