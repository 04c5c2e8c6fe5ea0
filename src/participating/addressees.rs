use super::facts::Item;
use crate::{
    content::cpim::{Cpim, CpimHead},
    controlling::Group,
    deferred::{Facts, Kind},
    identity::Address,
    profile::{mime, psi},
};

/// Who of a group is to have a message that was sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressees {
    /// All but the sender.
    All,
    /// One of them: a private message, or a notification on its way back.
    One(Address),
    /// It means nothing to anybody any more when it has been stored.
    Nobody,
}

/// Why a message to a group goes to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misaddressed {
    /// Its wrapper names several receivers.
    #[error("a message goes to one participant or to all")]
    Several,
    /// Its wrapper names a receiver who does not belong to the group.
    #[error("its receiver is no participant")]
    NoParticipant,
    /// Its wrapper names another sender.
    #[error("its CPIM header names another sender")]
    ForeignSender,
}

impl Misaddressed {
    /// The MSRP status that says so.
    ///
    /// Source: RFC 7701 §6.1, §6.2, §10.3.
    pub fn msrp_status(self) -> u16 {
        match self {
            Self::NoParticipant => 404,
            Self::Several | Self::ForeignSender => 403,
        }
    }

    /// Label value for metrics.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Several => "several_receivers",
            Self::NoParticipant => "no_participant",
            Self::ForeignSender => "foreign_sender",
        }
    }
}

impl Addressees {
    /// Reads the wrapper of a message of `facts.sender`; one without a wrapper is for all.
    ///
    /// Errors: as [`Misaddressed`] names them.
    /// Source: RFC 7701 §6.1, §6.2; RFC 5438 §8 (a notification goes to its sender's peer).
    pub fn of(item: &Item<'_>, facts: &Facts, group: &Group) -> Result<Self, Misaddressed> {
        let is_wrapped = mime::is(item.content_type, mime::CPIM);
        let head = is_wrapped.then(|| Cpim::parse_head(item.prefix).ok().flatten());
        let head = head.flatten();
        let kind = match &head {
            Some(head) => head.content_type().into_owned(),
            None => item.content_type.to_owned(),
        };
        if mime::is(&kind, mime::IS_COMPOSING) {
            return Ok(Self::Nobody);
        }
        let Some(head) = head else {
            return Ok(match facts.kind {
                Kind::Notification => Self::Nobody,
                Kind::Message => Self::All,
            });
        };
        check_sender(&head, facts)?;
        match (receiver(&head, group)?, facts.kind) {
            (Some(one), _) => Ok(Self::One(one)),
            (None, Kind::Message) => Ok(Self::All),
            (None, Kind::Notification) => Ok(Self::Nobody),
        }
    }
}

/// Nobody speaks in the name of another; a number may stand for the same user.
fn check_sender(head: &CpimHead, facts: &Facts) -> Result<(), Misaddressed> {
    let named = head.from();
    let named = named.and_then(|named| Address::parse(&named).ok());
    match named {
        Some(named) if named != facts.sender && !is_anonymous(&named) && !named.is_tel() => {
            Err(Misaddressed::ForeignSender)
        }
        _ => Ok(()),
    }
}

/// The one receiver whom the wrapper names, if it does not name the group.
fn receiver(head: &CpimHead, group: &Group) -> Result<Option<Address>, Misaddressed> {
    let mut named = head.to();
    let Some(first) = named.next() else {
        return Ok(None);
    };
    if named.next().is_some() {
        return Err(Misaddressed::Several);
    }
    let address = Address::parse(&first).map_err(|_| Misaddressed::NoParticipant)?;
    if address == group.address || is_anonymous(&address) {
        return Ok(None);
    }
    match group.has(&address) || group.is_owner(&address) {
        true => Ok(Some(address)),
        false => Err(Misaddressed::NoParticipant),
    }
}

/// What clients write where they name nobody.
fn is_anonymous(address: &Address) -> bool {
    address.as_str() == psi::ANONYMOUS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        controlling::{Absent, Head, Member, Origin, Senders},
    };

    fn user(name: &str) -> Address {
        Address::parse(&format!("sip:{name}@example.com")).unwrap()
    }

    fn team() -> Group {
        let members = ["alice", "bob"].map(|name| Member::new(user(name), Timestamp::EPOCH));
        let head = Head {
            address: user("team"),
            subject: None,
            owner: None,
            senders: Senders::Members,
            absent: Absent::Defer,
            open: false,
            origin: Origin::Administered,
            created: Timestamp::EPOCH,
            used: Timestamp::EPOCH,
            version: 1,
            size: 2,
        };
        let members = members.map(|member| (member.address.clone(), member));
        Group {
            head,
            members: members.into(),
        }
    }

    fn of(content_type: &str, prefix: &str, kind: Kind) -> Result<Addressees, Misaddressed> {
        let facts = Facts {
            kind,
            ..Facts::new(user("alice"), user("team"), "id")
        };
        let item = Item {
            message_id: "id",
            content_type,
            size: 9,
            success_report: false,
            prefix: prefix.as_bytes(),
        };
        Addressees::of(&item, &facts, &team())
    }

    fn wrapped(heads: &str, content_type: &str) -> Result<Addressees, Misaddressed> {
        let prefix = format!("{heads}\r\nContent-Type: {content_type}\r\n\r\nHello");
        let kind = match content_type {
            mime::IMDN => Kind::Notification,
            _ => Kind::Message,
        };
        of(mime::CPIM, &prefix, kind)
    }

    #[test]
    fn message_to_the_group_or_to_nobody_in_particular_is_for_all() {
        let to = |to: &str| {
            let heads = format!("From: <sip:alice@example.com>\r\nTo: <{to}>\r\n");
            wrapped(&heads, "text/plain")
        };
        assert_eq!(to("sip:team@example.com"), Ok(Addressees::All));
        assert_eq!(to(psi::ANONYMOUS), Ok(Addressees::All));
        assert_eq!(
            of("text/plain", "Hello", Kind::Message),
            Ok(Addressees::All)
        );
    }

    #[test]
    fn private_message_is_for_one_participant() {
        let bobs = "From: <sip:alice@example.com>\r\nTo: Bob <sip:bob@example.com>\r\n";
        assert_eq!(
            wrapped(bobs, "text/plain"),
            Ok(Addressees::One(user("bob")))
        );
        let nobodys = wrapped("To: <sip:dave@example.com>\r\n", "text/plain");
        assert_eq!(nobodys, Err(Misaddressed::NoParticipant));
        let two = "To: <sip:bob@example.com>\r\nTo: <sip:team@example.com>\r\n";
        assert_eq!(wrapped(two, "text/plain"), Err(Misaddressed::Several));
    }

    #[test]
    fn nobody_speaks_in_the_name_of_another() {
        let from = |from: &str| wrapped(&format!("From: <{from}>\r\n"), "text/plain");
        assert_eq!(
            from("sip:bob@example.com"),
            Err(Misaddressed::ForeignSender)
        );
        assert_eq!(from("tel:+4930"), Ok(Addressees::All));
        assert_eq!(from(psi::ANONYMOUS), Ok(Addressees::All));
    }

    #[test]
    fn notification_goes_to_the_one_it_is_for_and_composing_to_nobody() {
        let bobs = wrapped("To: <sip:bob@example.com>\r\n", mime::IMDN);
        assert_eq!(bobs, Ok(Addressees::One(user("bob"))));
        let all = wrapped("To: <sip:team@example.com>\r\n", mime::IMDN);
        assert_eq!(all, Ok(Addressees::Nobody));
        let composing = wrapped("To: <sip:team@example.com>\r\n", mime::IS_COMPOSING);
        assert_eq!(composing, Ok(Addressees::Nobody));
    }
}
