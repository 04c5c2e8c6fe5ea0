/// A keyspace. Keys are big-endian where they hold numbers, so that byte order is the order wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// recipient, sequence → who, when, type, size, ids, expiry, priority; small contents too.
    Envelope,
    /// content id, piece → octets of larger contents (key-value separated).
    Content,
    /// time, kind, recipient, sequence → – (expiry).
    Due,
    /// sender, recipient, message id → sequence; of an older release, moved to `History` at start.
    Submitted,
    /// recipient → counters of what waits.
    Mailbox,
    /// message id, step → what happened; of an older release, moved to `History` at start.
    Trail,
    /// message id, recipient, sender → when it may be forgotten, sequence, what happened to it.
    History,
    /// content id → a content that is still being received.
    Receiving,
    /// content id → how many messages share the content.
    Shared,
    /// content id → a content whose removal was decided and may not be finished.
    Removing,
    /// address → subscriber.
    Subscriber,
    /// address, contact → registration.
    Binding,
    /// group → what is known of it; group, member → what is known of the member.
    Group,
    /// Counters and the store's own bookkeeping.
    Meta,
}

impl Table {
    /// Every keyspace there is.
    pub const ALL: [Self; 14] = [
        Self::Envelope,
        Self::Content,
        Self::Due,
        Self::Submitted,
        Self::Mailbox,
        Self::Trail,
        Self::History,
        Self::Receiving,
        Self::Shared,
        Self::Removing,
        Self::Subscriber,
        Self::Binding,
        Self::Group,
        Self::Meta,
    ];

    /// The name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Content => "content",
            Self::Due => "due",
            Self::Submitted => "submitted",
            Self::Mailbox => "mailbox",
            Self::Trail => "trail",
            Self::History => "history",
            Self::Receiving => "receiving",
            Self::Shared => "shared",
            Self::Removing => "removing",
            Self::Subscriber => "subscriber",
            Self::Binding => "binding",
            Self::Group => "group",
            Self::Meta => "meta",
        }
    }

    /// Whether its entries may be dropped once their time is over: their values begin with it, in
    /// milliseconds since 1970 as 8 octets in network order, all ones for "never".
    ///
    /// What is past may still be found until a compaction meets it; a reader passes over it.
    pub const fn is_perishable(self) -> bool {
        matches!(self, Self::History)
    }

    /// Position in [`Table::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_is_the_position_in_the_list_of_all() {
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.index(), position, "{}", table.name());
        }
    }
}
