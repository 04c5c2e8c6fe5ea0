use super::{Absent, Head, Senders};
use crate::identity::Address;

/// What is to be changed of a group besides its members; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    /// What it is about; an inner `None` is nothing in particular.
    pub subject: Option<Option<String>>,
    /// Whose it is; an inner `None` is nobody's.
    pub owner: Option<Option<Address>>,
    /// Who may send to it.
    pub senders: Option<Senders>,
    /// What becomes of the copies of absent members.
    pub absent: Option<Absent>,
    /// Whether one who is no member becomes one by calling it.
    pub open: Option<bool>,
}

impl Amendment {
    /// Changes `head`, and says whether anything is other than it was.
    pub(super) fn apply(self, head: &mut Head) -> bool {
        let before = head.clone();
        head.subject = self.subject.unwrap_or_else(|| head.subject.clone());
        head.owner = self.owner.unwrap_or_else(|| head.owner.clone());
        head.senders = self.senders.unwrap_or(head.senders);
        head.absent = self.absent.unwrap_or(head.absent);
        head.open = self.open.unwrap_or(head.open);
        *head != before
    }
}
