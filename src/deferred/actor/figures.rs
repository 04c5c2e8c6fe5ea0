//! Figures that nobody counts: they are read where they stand, when somebody asks or now and
//! then.
use super::Deferred;
use crate::{
    clock,
    deferred::{due, mailbox, survey},
    store::StoreError,
};
use bytes::Bytes;
use std::time::Duration;

/// How often a page of mailboxes is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Mailboxes of a page.
const PAGE: usize = 1024;

impl Deferred {
    /// Shows what waits and what is under way among the metrics. Asks the store, on the calling
    /// thread.
    pub fn show(&self) {
        let inner = &self.0;
        match inner.store.read_here(|view| mailbox::totals(view)) {
            Ok(totals) => inner.metrics.level(totals, inner.capacity.deposits()),
            Err(error) => tracing::warn!(%error, "messages that wait could not be counted"),
        }
        let (transfers, chores) = (inner.live.transfers(), inner.chores.len());
        inner.metrics.under_way(transfers, chores);
        inner.metrics.age(clock::wall());
    }

    /// Looks at one more page of mailboxes, and at what should have expired; where the next page
    /// begins.
    async fn look_on(
        &self,
        from: Bytes,
        mut round: survey::Found,
    ) -> Result<Option<(Bytes, survey::Found)>, StoreError> {
        let (since, now) = (self.worked_off(), clock::wall());
        let look = self.read(move |view| {
            let overdue = due::due(view, (since, now), 1)?;
            Ok((survey::page(view, &from, PAGE)?, overdue))
        });
        let ((found, next), overdue) = look.await?;
        let first = overdue.first().and_then(|key| due::parse(key));
        let overdue = first.map_or(Duration::ZERO, |(at, ..)| now.since(at));
        self.0.metrics.overdue(overdue);
        round.add(found);
        if next.is_none() {
            self.0.metrics.surveyed(round);
        }
        Ok(next.map(|next| (next, round)))
    }
}

/// Walks over all mailboxes, again and again.
pub(super) async fn survey(function: Deferred) {
    let begin = || (Bytes::from_static(&[0]), survey::Found::default());
    let (mut from, mut round) = begin();
    loop {
        actix::clock::sleep(EVERY).await;
        (from, round) = match function.look_on(from, round).await {
            Ok(Some(next)) => next,
            Ok(None) => begin(),
            Err(error) => {
                tracing::debug!(%error, "mailboxes not looked at");
                begin()
            }
        };
    }
}
