//! What is being received now, by the whole process: room that is promised to a sender is not
//! promised twice, and comes back when the deposit ends, however it ends.
use super::{Class, Config, Limit, Refusal, mailbox::Waiting};
use crate::identity::Address;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;

/// All room promised at this moment.
#[derive(Debug, Default)]
pub(super) struct Capacity(Mutex<Promised>);

#[derive(Debug, Default)]
struct Promised {
    deposits: usize,
    by_recipient: HashMap<Address, Room>,
}

/// One mailbox for which somebody is admitted.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    admissions: usize,
    /// Promised messages and their octets.
    messages: u64,
    octets: u64,
    /// What waits.
    waiting: Waiting,
}

/// The leave of one sender to put messages into one mailbox: what is known of the mailbox is kept
/// up to date meanwhile, so that no message asks the store for it.
#[derive(Debug)]
pub struct Admission(Arc<Admitted>);

#[derive(Debug)]
struct Admitted {
    capacity: Arc<Capacity>,
    sender: Address,
    recipient: Address,
    class: Arc<Class>,
    max_deposits: usize,
}

/// Room for one message in a mailbox, given back on drop.
#[derive(Debug)]
pub struct Reservation {
    admitted: Arc<Admitted>,
    octets: u64,
    promise: Promise,
}

/// What room is promised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Message,
    /// One that counts as no message.
    Notification,
    /// A part in a message that is being received already.
    Copy,
}

impl Capacity {
    /// Admits a sender to a mailbox where `waiting` waits.
    pub(super) fn admit(
        self: &Arc<Self>,
        (sender, recipient): (&Address, &Address),
        waiting: Waiting,
        class: &Arc<Class>,
        config: &Config,
    ) -> Admission {
        let mut promised = self.0.lock();
        let room = promised.by_recipient.entry_ref(recipient).or_default();
        if room.admissions == 0 {
            room.waiting = waiting;
        }
        room.admissions += 1;
        drop(promised);
        Admission(Arc::new(Admitted {
            capacity: self.clone(),
            sender: sender.clone(),
            recipient: recipient.clone(),
            class: class.clone(),
            max_deposits: config.max_deposits,
        }))
    }

    /// Notes what waits in a mailbox after a commit.
    pub(super) fn update(&self, recipient: &Address, waiting: Waiting) {
        if let Some(room) = self.0.lock().by_recipient.get_mut(recipient) {
            room.waiting = waiting;
        }
    }

    /// Messages being received.
    pub(super) fn deposits(&self) -> usize {
        self.0.lock().deposits
    }
}

impl Admission {
    /// Promises room for a message of `declared` octets, or of a size not known yet.
    ///
    /// Errors: `TooLarge`, `Full`, or `Busy` if too many messages are being received.
    pub fn reserve(&self, declared: Option<u64>) -> Result<Reservation, Refusal> {
        let octets = declared.unwrap_or(0);
        self.promise(octets, Promise::Message)
    }

    /// Promises room for a copy of a message that is being received already, for a group.
    ///
    /// Errors: `TooLarge`, `Full`.
    pub fn reserve_copy(&self, octets: u64) -> Result<Reservation, Refusal> {
        self.promise(octets, Promise::Copy)
    }

    /// Promises room for a notification, which counts as no message.
    ///
    /// Errors: `TooLarge`, or `Busy` if too many messages are being received.
    pub(super) fn reserve_notification(&self, octets: u64) -> Result<Reservation, Refusal> {
        self.promise(octets, Promise::Notification)
    }

    fn promise(&self, octets: u64, promise: Promise) -> Result<Reservation, Refusal> {
        let admitted = &self.0;
        admitted.check_size(octets)?;
        let mut promised = admitted.capacity.0.lock();
        let counts = promise != Promise::Copy;
        if counts && promised.deposits >= admitted.max_deposits {
            return Err(Refusal::Busy("deferred.max_deposits"));
        }
        let room = promised.by_recipient.entry_ref(&admitted.recipient);
        let room = room.or_default();
        if promise != Promise::Notification {
            admitted.check_room(room, 1, octets)?;
        }
        room.messages += 1;
        room.octets = room.octets.saturating_add(octets);
        promised.deposits += usize::from(counts);
        drop(promised);
        Ok(Reservation {
            admitted: admitted.clone(),
            octets,
            promise,
        })
    }
}

impl Admitted {
    fn check_size(&self, size: u64) -> Result<(), Refusal> {
        let allowed = self.class.max_message.as_u64();
        match size <= allowed {
            true => Ok(()),
            false => Err(Refusal::TooLarge {
                allowed,
                class: self.class.name.clone(),
            }),
        }
    }

    /// Whether the mailbox takes so much more than what waits and is promised. The last word is
    /// said when the message is stored, and where older ones are dropped only then.
    fn check_room(&self, room: &Room, messages: u64, octets: u64) -> Result<(), Refusal> {
        let class = &self.class;
        let allowed = class.max_octets.as_u64();
        if class.drops() {
            return match octets <= allowed {
                true => Ok(()),
                false => Err(class.full(Limit::Octets, allowed)),
            };
        }
        if room.waiting.count + room.messages + messages > class.max_messages {
            return Err(class.full(Limit::Messages, class.max_messages));
        }
        let octets = room.octets.saturating_add(octets);
        if room.waiting.octets.saturating_add(octets) > allowed {
            return Err(class.full(Limit::Octets, allowed));
        }
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut promised = self.capacity.0.lock();
        if let Some(room) = promised.by_recipient.get_mut(&self.recipient) {
            room.admissions = room.admissions.saturating_sub(1);
            if room.admissions == 0 {
                promised.by_recipient.remove(&self.recipient);
            }
        }
    }
}

impl Reservation {
    /// Who sends.
    pub fn sender(&self) -> &Address {
        &self.admitted.sender
    }

    /// Whose mailbox it is.
    pub fn recipient(&self) -> &Address {
        &self.admitted.recipient
    }

    pub(super) fn class(&self) -> &Arc<Class> {
        &self.admitted.class
    }

    /// Makes sure there is room for a message of `size` octets: it turned out larger than said.
    pub(super) fn grow(&mut self, size: u64) -> Result<(), Refusal> {
        let more = size.saturating_sub(self.octets);
        if more == 0 {
            return Ok(());
        }
        let admitted = &self.admitted;
        admitted.check_size(size)?;
        let mut promised = admitted.capacity.0.lock();
        let room = promised.by_recipient.entry_ref(&admitted.recipient);
        let room = room.or_default();
        admitted.check_room(room, 0, more)?;
        room.octets = room.octets.saturating_add(more);
        self.octets = size;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let admitted = &self.admitted;
        let mut promised = admitted.capacity.0.lock();
        if self.promise != Promise::Copy {
            promised.deposits = promised.deposits.saturating_sub(1);
        }
        if let Some(room) = promised.by_recipient.get_mut(&admitted.recipient) {
            room.messages = room.messages.saturating_sub(1);
            room.octets = room.octets.saturating_sub(self.octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deferred::Classes;
    use bytesize::ByteSize;

    fn address(user: &str) -> Address {
        Address::parse(&format!("sip:{user}@localhost")).unwrap()
    }

    fn config() -> Config {
        Config {
            max_message: ByteSize::b(60),
            max_messages: 3,
            max_octets: ByteSize::b(100),
            max_deposits: 4,
            ..Config::default()
        }
    }

    fn waiting(count: u64, octets: u64) -> Waiting {
        Waiting {
            count,
            octets,
            ..Waiting::default()
        }
    }

    fn reserve(
        capacity: &Arc<Capacity>,
        to: &str,
        declared: Option<u64>,
        waiting: Waiting,
    ) -> Result<Reservation, Refusal> {
        let (alice, to) = (address("alice"), address(to));
        let (config, class) = (config(), Classes::new(&config()).of(None).clone());
        let admission = capacity.admit((&alice, &to), waiting, &class, &config);
        admission.reserve(declared)
    }

    #[test]
    fn room_promised_to_one_sender_is_not_promised_to_another() {
        let capacity = Arc::default();
        let first = reserve(&capacity, "bob", Some(60), waiting(0, 0)).unwrap();
        let second = reserve(&capacity, "bob", Some(60), waiting(0, 0));
        assert!(matches!(
            second,
            Err(Refusal::Full {
                limit: Limit::Octets,
                allowed: 100,
                ..
            })
        ));
        reserve(&capacity, "carol", Some(60), waiting(0, 0)).unwrap();
        drop(first);
        reserve(&capacity, "bob", Some(60), waiting(0, 0)).unwrap();
    }

    #[test]
    fn copies_of_one_message_need_room_and_count_as_one_deposit() {
        let (capacity, config) = (Arc::<Capacity>::default(), config());
        let class = Classes::new(&config).of(None).clone();
        let alice = address("alice");
        let admit = |to: &str, count| {
            let parties = (&alice, &address(to));
            capacity.admit(parties, waiting(count, 0), &class, &config)
        };
        let members: Vec<_> = (0..9).map(|at| admit(&format!("m{at}"), 0)).collect();
        let copies = members.iter().map(|member| member.reserve_copy(50));
        let copies: Result<Vec<_>, _> = copies.collect();
        assert_eq!((copies.unwrap().len(), capacity.deposits()), (9, 0));
        let refused = admit("bob", 3).reserve_copy(50);
        assert!(matches!(refused, Err(Refusal::Full { .. })));
    }

    #[test]
    fn what_waits_counts_as_much_as_what_comes() {
        let capacity = Arc::default();
        let refused = reserve(&capacity, "bob", Some(1), waiting(3, 0));
        assert!(matches!(
            refused,
            Err(Refusal::Full {
                limit: Limit::Messages,
                ..
            })
        ));
        let refused = reserve(&capacity, "bob", Some(51), waiting(1, 50));
        assert!(matches!(refused, Err(Refusal::Full { .. })));
        reserve(&capacity, "bob", Some(50), waiting(1, 50)).unwrap();
    }

    #[test]
    fn message_of_unknown_size_is_stopped_where_the_room_ends() {
        let capacity = Arc::default();
        let mut growing = reserve(&capacity, "bob", None, waiting(1, 50)).unwrap();
        growing.grow(30).unwrap();
        growing.grow(20).unwrap();
        assert!(matches!(growing.grow(51), Err(Refusal::Full { .. })));
        assert!(matches!(
            growing.grow(61),
            Err(Refusal::TooLarge { allowed: 60, .. })
        ));
        drop(growing);
        assert!(capacity.0.lock().by_recipient.is_empty());
    }

    #[test]
    fn too_many_deposits_at_once_are_busy_and_come_back() {
        let capacity = Arc::default();
        let users = ["a", "b", "c", "d"];
        let held = users.map(|user| reserve(&capacity, user, None, waiting(0, 0)).unwrap());
        let refused = reserve(&capacity, "e", None, waiting(0, 0));
        assert!(matches!(refused, Err(Refusal::Busy(_))));
        drop(held);
        assert_eq!(capacity.deposits(), 0);
        reserve(&capacity, "e", None, waiting(0, 0)).unwrap();
    }

    #[test]
    fn admission_follows_the_mailbox_without_asking_for_it() {
        let capacity: Arc<Capacity> = Arc::default();
        let (alice, bob) = (address("alice"), address("bob"));
        let (config, class) = (config(), Classes::new(&config()).of(None).clone());
        let admission = capacity.admit((&alice, &bob), waiting(2, 0), &class, &config);
        drop(admission.reserve(None).unwrap());
        capacity.update(&bob, waiting(3, 0));
        assert!(matches!(admission.reserve(None), Err(Refusal::Full { .. })));
        drop(admission);
        assert!(capacity.0.lock().by_recipient.is_empty());
    }
}
