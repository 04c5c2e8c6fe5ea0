use crate::{
    clock,
    content::conference_info::{ConferenceInfo, DisconnectionMethod},
    controlling::{self, Abilities, Addressee, EndpointId, Focus, Group, Turned, Watch},
    identity::Address,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// The groups in session, in the whole process: who is there, and who watches that. A group is in
/// session while anybody is there or watches.
#[derive(Clone)]
pub struct Conferences(Arc<Inner>);

struct Inner {
    config: controlling::Config,
    running: Mutex<HashMap<Address, Conference>>,
    numbers: AtomicU64,
}

struct Conference {
    focus: Focus,
    /// Wakes a device that is to be sent away.
    devices: HashMap<EndpointId, Arc<Notify>>,
    watchers: HashMap<u64, Arc<Notify>>,
}

/// One device that is there, for as long as it is.
pub struct Attendance {
    conferences: Conferences,
    group: Address,
    id: EndpointId,
    expelled: Arc<Notify>,
}

/// One who watches a group, for as long as that lasts.
pub struct Watcher {
    conferences: Conferences,
    group: Address,
    number: u64,
    watch: Watch,
}

impl Conferences {
    /// None yet, under the rules of `config`.
    pub fn new(config: &controlling::Config) -> Self {
        Self(Arc::new(Inner {
            config: config.clone(),
            running: Mutex::default(),
            numbers: AtomicU64::new(0),
        }))
    }

    /// A device of `user` has called in, or was called and has answered. `None` where the user
    /// does not belong to the group.
    pub fn enter(
        &self,
        group: &Arc<Group>,
        user: &Address,
        abilities: Abilities,
        was_called: bool,
    ) -> Option<Attendance> {
        let mut running = self.0.running.lock();
        let conference = self.running(&mut running, group);
        let (focus, now) = (&mut conference.focus, clock::wall());
        let id = match was_called {
            false => focus.dial_in(user, abilities, now).ok(),
            true => focus
                .dial_out(user)
                .ok()
                .filter(|id| focus.connect(*id, abilities, now).is_ok()),
        };
        let expelled = Arc::<Notify>::default();
        if let Some(id) = id {
            conference.devices.insert(id, expelled.clone());
            conference.tell();
        }
        leave_if_over(&mut running, &group.address);
        Some(Attendance {
            conferences: self.clone(),
            group: group.address.clone(),
            id: id?,
            expelled,
        })
    }

    /// Watches a group for one whom `wake` wakes.
    pub fn watch(&self, group: &Arc<Group>, wake: Arc<Notify>) -> Watcher {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let mut running = self.0.running.lock();
        let conference = self.running(&mut running, group);
        conference.watchers.insert(number, wake);
        Watcher {
            conferences: self.clone(),
            group: group.address.clone(),
            number,
            watch: Watch::default(),
        }
    }

    /// Takes note of what became of a group; nothing if it is gone.
    pub fn changed(&self, address: &Address, group: Option<Arc<Group>>) {
        let mut running = self.0.running.lock();
        let Some(conference) = running.get_mut(address) else {
            return;
        };
        match group {
            Some(group) => {
                for id in conference.focus.update(group, clock::wall()) {
                    if let Some(device) = conference.devices.remove(&id) {
                        device.notify_one();
                    }
                }
                conference.tell();
            }
            None => {
                conference.tell();
                let gone = running.remove(address);
                let devices = gone.into_iter().flat_map(|gone| gone.devices.into_values());
                devices.for_each(|device| device.notify_one());
            }
        }
    }

    /// Whether `sender` may send a private message to `receiver`, a member.
    ///
    /// Errors: as [`Turned`] names them. One who is not there may be sent one: it waits.
    pub fn may_send(
        &self,
        group: &Address,
        sender: &Address,
        receiver: &Address,
    ) -> Result<(), Turned> {
        if !self.0.config.private_messages {
            return Err(Turned::NotAllowed);
        }
        let running = self.0.running.lock();
        let Some(conference) = running.get(group) else {
            return Ok(());
        };
        let (from, to) = (Some(sender.as_str()), [receiver.as_str()]);
        match conference.focus.addressee(sender, from, to) {
            Err(Turned::NotPrivate) => Err(Turned::NotPrivate),
            Ok(Addressee::One(_) | Addressee::Everybody) | Err(_) => Ok(()),
        }
    }

    fn running<'a>(
        &self,
        running: &'a mut HashMap<Address, Conference>,
        group: &Arc<Group>,
    ) -> &'a mut Conference {
        let conference = running.entry(group.address.clone());
        conference.or_insert_with(|| Conference {
            focus: Focus::new(group.clone(), &self.0.config),
            devices: HashMap::new(),
            watchers: HashMap::new(),
        })
    }
}

impl Conference {
    fn tell(&self) {
        self.watchers
            .values()
            .for_each(|watcher| watcher.notify_one());
    }
}

fn leave_if_over(running: &mut HashMap<Address, Conference>, group: &Address) {
    let is_over = |one: &Conference| one.devices.is_empty() && one.watchers.is_empty();
    if running.get(group).is_some_and(is_over) {
        running.remove(group);
    }
}

impl Attendance {
    /// Resolves when the device is to be sent away.
    pub async fn expelled(&self) {
        self.expelled.notified().await;
    }

    /// Lets the device go by a nickname, or by none; the MSRP status that says what came of it.
    pub fn name(&self, wanted: Option<&str>) -> u16 {
        let mut running = self.conferences.0.running.lock();
        let Some(conference) = running.get_mut(&self.group) else {
            return 403;
        };
        match conference.focus.name(self.id, wanted, clock::wall()) {
            Ok(()) => {
                conference.tell();
                200
            }
            Err(refusal) => refusal.code(),
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut running = self.conferences.0.running.lock();
        let conference = running.get_mut(&self.group);
        // one that was sent away is in no roster any more
        let conference = conference.filter(|one| {
            let known = one.devices.get(&self.id);
            known.is_some_and(|known| Arc::ptr_eq(known, &self.expelled))
        });
        if let Some(conference) = conference {
            let (how, now) = (DisconnectionMethod::Departed, clock::wall());
            let _ = conference.focus.disconnect(self.id, how, None, now);
            conference.devices.remove(&self.id);
            conference.tell();
        }
        leave_if_over(&mut running, &self.group);
    }
}

impl Watcher {
    /// All there is to know; nothing if the group is gone.
    pub fn full(&mut self) -> Option<ConferenceInfo> {
        let running = self.conferences.0.running.lock();
        let conference = running.get(&self.group)?;
        Some(conference.focus.full(&mut self.watch))
    }

    /// What has changed since.
    pub fn changes(&mut self) -> Option<ConferenceInfo> {
        let running = self.conferences.0.running.lock();
        let conference = running.get(&self.group)?;
        conference.focus.changes(&mut self.watch)
    }

    /// Whether the group is gone.
    pub fn is_over(&self) -> bool {
        let running = self.conferences.0.running.lock();
        !running.contains_key(&self.group)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut running = self.conferences.0.running.lock();
        if let Some(conference) = running.get_mut(&self.group) {
            conference.watchers.remove(&self.number);
        }
        leave_if_over(&mut running, &self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        controlling::{Absent, Head, Member, Origin, Senders},
    };
    use futures_util::FutureExt;

    fn user(name: &str) -> Address {
        Address::parse(&format!("sip:{name}@example.com")).unwrap()
    }

    fn club(members: &[&str], version: u64) -> Arc<Group> {
        let head = Head {
            address: user("club"),
            subject: None,
            owner: None,
            senders: Senders::Members,
            absent: Absent::Defer,
            open: false,
            origin: Origin::Administered,
            created: Timestamp::EPOCH,
            used: Timestamp::EPOCH,
            version,
            size: members.len() as u64,
        };
        let members = members
            .iter()
            .map(|name| Member::new(user(name), Timestamp::EPOCH));
        let members = members
            .map(|member| (member.address.clone(), member))
            .collect();
        Arc::new(Group { head, members })
    }

    #[test]
    fn group_is_in_session_while_anybody_is_there_or_watches() {
        let conferences = Conferences::new(&controlling::Config::default());
        let club = club(&["alice", "bob"], 1);
        let enter = |name| conferences.enter(&club, &user(name), Abilities::default(), false);
        assert!(enter("eve").is_none());
        let alice = enter("alice").unwrap();
        let wake = Arc::<Notify>::default();
        let mut watcher = conferences.watch(&club, wake.clone());
        let users = watcher.full().unwrap().users.unwrap().users;
        assert_eq!(users.len(), 2);
        drop(alice);
        assert!(wake.notified().now_or_never().is_some());
        let changed = watcher.changes().unwrap().users.unwrap().users;
        assert_eq!(changed[0].entity, "sip:alice@example.com");
        assert!(watcher.changes().is_none() && !watcher.is_over());
        drop(watcher);
        assert!(conferences.0.running.lock().is_empty());
    }

    #[test]
    fn who_belongs_to_the_group_no_more_is_sent_away() {
        let conferences = Conferences::new(&controlling::Config::default());
        let before = club(&["alice", "bob"], 1);
        let enter = |name| conferences.enter(&before, &user(name), Abilities::default(), true);
        let (alice, bob) = (enter("alice").unwrap(), enter("bob").unwrap());
        conferences.changed(&user("club"), Some(club(&["alice"], 2)));
        assert!(bob.expelled().now_or_never().is_some());
        assert!(alice.expelled().now_or_never().is_none());
        conferences.changed(&user("club"), None);
        assert!(alice.expelled().now_or_never().is_some());
        assert_eq!(alice.name(Some("Al")), 403);
    }
}
