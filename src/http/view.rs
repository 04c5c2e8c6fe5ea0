//! The documents of the admin API. The server writes them, the command line reads them.
mod group;
mod message;
mod queue;
mod store;
mod subscriber;

pub use group::{GroupChange, GroupView, MemberView, NewGroup, NewMember, NewMembers};
pub use message::{MessageView, StepView, WhichCopies};
pub use queue::{EntryView, LimitsView, MailboxView, Purged, QueueView, QueuesView};
pub use store::{JobState, JobView, NewBackup, StoreView};
pub use subscriber::{
    BindingView, DEFAULT_CLASS, NewPassword, NewSubscriber, SubscriberChange, SubscriberView,
};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One page of a list.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on this page.
    pub items: Vec<T>,
    /// Where the next page begins, as `after` of the next request; nothing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PageRequest {
    /// The `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items wanted; 100 if nothing is said, at most 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

impl PageRequest {
    const DEFAULT: usize = 100;
    const MOST: usize = 1000;

    /// The number of items wanted, within what one answer may carry.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::DEFAULT).clamp(1, Self::MOST)
    }
}

/// A document of which more pages may follow.
pub trait Paged {
    /// Takes where the next page begins out of the document.
    fn take_next(&mut self) -> Option<String>;

    /// Puts what is on the next page behind what is there.
    fn append(&mut self, next: Self);
}

impl<T> Paged for Page<T> {
    fn take_next(&mut self) -> Option<String> {
        self.next.take()
    }

    fn append(&mut self, next: Self) {
        self.items.extend(next.items);
        self.next = next.next;
    }
}

impl Paged for QueuesView {
    fn take_next(&mut self) -> Option<String> {
        self.next.take()
    }

    fn append(&mut self, next: Self) {
        self.items.extend(next.items);
        self.next = next.next;
    }
}

impl Paged for MailboxView {
    fn take_next(&mut self) -> Option<String> {
        self.next.take()
    }

    fn append(&mut self, next: Self) {
        self.items.extend(next.items);
        self.next = next.next;
    }
}

/// What every refusal of the admin API says.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct RefusalView {
    /// The reason, as a word that stays the same.
    #[schema(examples("unknown_subscriber"))]
    pub error: String,
    /// The reason, for people.
    pub detail: String,
}
