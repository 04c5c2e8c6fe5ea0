//! Whether a mailbox has room for one more, and what goes to make some.
use super::Ledger;
use crate::{
    deferred::{
        Class, Envelope, Facts, Limit, Priority, Refusal, State, keys,
        mailbox::{MailboxRecord, mailbox},
        record::EnvelopeRecord,
    },
    store::{Readable, Scan, StoreError, Table},
};
use std::sync::Arc;

/// What there is for one more message.
pub(super) enum Room {
    There(MailboxRecord),
    Refused(Refusal),
}

/// Envelopes read at once where the oldest of the lowest priority is looked for.
const PAGE: usize = 32;

impl Ledger<'_, '_> {
    /// The mailbox as it is when `facts` is about to go in, older messages dropped where its
    /// class says so.
    pub(super) fn make_room(&mut self, facts: &Facts, class: &Class) -> Result<Room, StoreError> {
        let found = mailbox(self.txn, &facts.recipient)?;
        let refusal = match check(&found, facts, class, self.config.max_notifications) {
            Ok(()) => return Ok(Room::There(found)),
            Err(refusal) => refusal,
        };
        let can_drop = class.drops()
            && !facts.is_notification()
            && !matches!(
                refusal,
                Refusal::Full {
                    limit: Limit::Share,
                    ..
                }
            );
        if !can_drop {
            return Ok(Room::Refused(refusal));
        }
        let Some(victims) = self.victims(&found, facts, class)? else {
            return Ok(Room::Refused(refusal));
        };
        for victim in victims {
            self.live.hold((&facts.recipient, victim.sequence));
            self.take(
                &Arc::new(victim),
                State::Dropped,
                "the mailbox was full, and newer messages came",
            )?;
        }
        Ok(Room::There(mailbox(self.txn, &facts.recipient)?))
    }

    /// The oldest messages of the lowest priority that must go so that there is room; `None`
    /// where that is not enough, or would cost what is more urgent than what comes.
    fn victims(
        &self,
        mailbox: &MailboxRecord,
        facts: &Facts,
        class: &Class,
    ) -> Result<Option<Vec<Envelope>>, StoreError> {
        let mut left = mailbox.clone();
        let mut victims = Vec::new();
        let Some(lowest) = left.lowest() else {
            return Ok(None);
        };
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            if priority < lowest || priority > facts.priority {
                continue;
            }
            let mut after = left.head.saturating_sub(1);
            loop {
                let page = self.page(facts, after)?;
                let Some((last, _)) = page.last() else { break };
                after = *last;
                for (sequence, envelope) in page {
                    if envelope.facts.priority != priority || envelope.facts.is_notification() {
                        continue;
                    }
                    if self.live.is_busy((&facts.recipient, sequence)) {
                        continue;
                    }
                    left.remove(sequence, &envelope.facts);
                    victims.push(envelope);
                    if check(&left, facts, class, self.config.max_notifications).is_ok() {
                        return Ok(Some(victims));
                    }
                }
            }
        }
        Ok(None)
    }

    fn page(&self, facts: &Facts, after: u64) -> Result<Vec<(u64, Envelope)>, StoreError> {
        let found = self.txn.scan(Scan {
            table: Table::Envelope,
            from: &keys::envelope(&facts.recipient, after.saturating_add(1)),
            until: &keys::envelopes_end(&facts.recipient),
            limit: PAGE,
            reverse: false,
        })?;
        let read = |(key, octets): (bytes::Bytes, bytes::Bytes)| {
            let envelope = EnvelopeRecord::read(&key, &octets, |_, _| None)?;
            Ok((envelope.sequence, envelope))
        };
        found.into_iter().map(read).collect()
    }
}

/// Whether one more message has room in a mailbox.
///
/// Errors: `Full`, with the bound that it meets.
pub(in crate::deferred) fn check(
    mailbox: &MailboxRecord,
    facts: &Facts,
    class: &Class,
    max_notifications: u64,
) -> Result<(), Refusal> {
    if facts.is_notification() {
        return match mailbox.notifications < max_notifications {
            true => Ok(()),
            false => Err(class.full(Limit::Notifications, max_notifications)),
        };
    }
    let octets = class.max_octets.as_u64();
    if mailbox.count >= class.max_messages {
        return Err(class.full(Limit::Messages, class.max_messages));
    }
    if mailbox.octets.saturating_add(facts.size) > octets {
        return Err(class.full(Limit::Octets, octets));
    }
    let share = class.share();
    match mailbox.of_sender(&facts.sender) < share {
        true => Ok(()),
        false => Err(class.full(Limit::Share, share)),
    }
}
