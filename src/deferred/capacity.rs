//! What is being received now, by the whole process: room that is promised to a sender is not
//! promised twice, and comes back when the deposit ends, however it ends.
use super::{Config, Limit, Refusal, mailbox::Waiting};
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

#[derive(Clone, Copy, Debug, Default)]
struct Room {
    messages: u64,
    octets: u64,
}

/// Room for one message in a mailbox, given back on drop.
#[derive(Debug)]
pub struct Reservation {
    capacity: Arc<Capacity>,
    sender: Address,
    recipient: Address,
    octets: u64,
    /// What waited when the room was promised.
    waiting: Waiting,
}

impl Capacity {
    /// Promises room for a message of `declared` octets (or of a size not known yet) in a
    /// mailbox where `waiting` waits already.
    ///
    /// Errors: `TooLarge`, `Full`, or `Busy` if too many messages are being received.
    pub(super) fn reserve(
        self: &Arc<Self>,
        (sender, recipient): (&Address, &Address),
        declared: Option<u64>,
        waiting: Waiting,
        config: &Config,
    ) -> Result<Reservation, Refusal> {
        let octets = declared.unwrap_or(0);
        check_size(octets, config)?;
        let mut promised = self.0.lock();
        if promised.deposits >= config.max_deposits {
            return Err(Refusal::Busy("deferred.max_deposits"));
        }
        let room = promised.by_recipient.get(recipient).copied();
        let room = room.unwrap_or_default();
        let wanted = Room {
            messages: room.messages + 1,
            octets: room.octets.saturating_add(octets),
        };
        check_room(waiting, wanted, config)?;
        promised.deposits += 1;
        promised.by_recipient.insert(recipient.clone(), wanted);
        drop(promised);
        Ok(Reservation {
            capacity: self.clone(),
            sender: sender.clone(),
            recipient: recipient.clone(),
            octets,
            waiting,
        })
    }

    /// Messages being received.
    pub(super) fn deposits(&self) -> usize {
        self.0.lock().deposits
    }
}

impl Reservation {
    /// Who sends.
    pub fn sender(&self) -> &Address {
        &self.sender
    }

    /// Whose mailbox it is.
    pub fn recipient(&self) -> &Address {
        &self.recipient
    }

    /// Makes sure there is room for a message of `size` octets: it turned out larger than said.
    pub(super) fn grow(&mut self, size: u64, config: &Config) -> Result<(), Refusal> {
        let more = size.saturating_sub(self.octets);
        if more == 0 {
            return Ok(());
        }
        check_size(size, config)?;
        let mut promised = self.capacity.0.lock();
        let room = promised.by_recipient.entry_ref(&self.recipient);
        let room = room.or_default();
        let wanted = Room {
            octets: room.octets.saturating_add(more),
            ..*room
        };
        check_room(self.waiting, wanted, config)?;
        *room = wanted;
        self.octets = size;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut promised = self.capacity.0.lock();
        promised.deposits = promised.deposits.saturating_sub(1);
        if let Some(room) = promised.by_recipient.get_mut(&self.recipient) {
            room.messages = room.messages.saturating_sub(1);
            room.octets = room.octets.saturating_sub(self.octets);
            if room.messages == 0 {
                promised.by_recipient.remove(&self.recipient);
            }
        }
    }
}

fn check_size(size: u64, config: &Config) -> Result<(), Refusal> {
    let allowed = config.max_message.as_u64();
    match size <= allowed {
        true => Ok(()),
        false => Err(Refusal::TooLarge { allowed }),
    }
}

fn check_room(waiting: Waiting, wanted: Room, config: &Config) -> Result<(), Refusal> {
    let (messages, octets) = (config.max_messages, config.max_octets.as_u64());
    let full = |limit, allowed| Err(Refusal::Full { limit, allowed });
    if waiting.count + wanted.messages > messages {
        return full(Limit::Messages, messages);
    }
    if waiting.octets.saturating_add(wanted.octets) > octets {
        return full(Limit::Octets, octets);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let head = None;
        Waiting {
            count,
            octets,
            head,
        }
    }

    fn reserve(
        capacity: &Arc<Capacity>,
        to: &str,
        declared: Option<u64>,
        waiting: Waiting,
    ) -> Result<Reservation, Refusal> {
        let (alice, to) = (address("alice"), address(to));
        capacity.reserve((&alice, &to), declared, waiting, &config())
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
                allowed: 100
            })
        ));
        reserve(&capacity, "carol", Some(60), waiting(0, 0)).unwrap();
        drop(first);
        reserve(&capacity, "bob", Some(60), waiting(0, 0)).unwrap();
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
        growing.grow(30, &config()).unwrap();
        growing.grow(20, &config()).unwrap();
        assert!(matches!(
            growing.grow(51, &config()),
            Err(Refusal::Full { .. })
        ));
        assert!(matches!(
            growing.grow(61, &config()),
            Err(Refusal::TooLarge { allowed: 60 })
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
}
