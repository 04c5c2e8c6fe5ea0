//! How much waits in the mailbox of an endpoint: what is sent to it carries a ticket, which is
//! given back when it was served, or was not taken at all.
use metrics::{Unit, describe_gauge, gauge};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const DEPTH: &str = "restante_sip_mailbox_depth";

/// The count of one mailbox; clones are the same count.
#[derive(Clone, Debug, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

/// One message that waits or is being served.
#[derive(Debug)]
pub(super) struct Ticket(Arc<AtomicUsize>);

impl Backlog {
    /// Counts one more message, until the ticket is dropped.
    pub fn ticket(&self) -> Ticket {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ticket(self.0.clone())
    }

    /// How many messages wait.
    pub fn depth(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Shows how many messages wait at the endpoint of `shard`.
    pub fn show(&self, shard: usize) {
        describe_gauge!(
            DEPTH,
            Unit::Count,
            "Messages that wait in the mailbox of a shard's endpoint (sip.mailbox)"
        );
        gauge!(DEPTH, "shard" => shard.to_string()).set(self.depth() as f64);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_counts_as_long_as_it_is_held() {
        let backlog = Backlog::default();
        let (one, two) = (backlog.ticket(), backlog.ticket());
        assert_eq!(backlog.depth(), 2);
        drop(one);
        assert_eq!(backlog.depth(), 1);
        drop(two);
        assert_eq!(backlog.depth(), 0);
    }
}
