use super::Groups;
use crate::{
    clock::{self, Timestamp},
    controlling::{Head, Origin},
    store::StoreError,
};
use actix::prelude::*;
use std::time::Duration;

/// Ends groups of users that nobody has used for long. One per process.
pub struct GroupTimer(Groups);

/// How late a group may end; less where groups live for a shorter time.
const STEP: Duration = Duration::from_secs(60 * 60);
/// Heads looked at by one read.
const PAGE: usize = 1000;

impl GroupTimer {
    /// Looks after `groups`.
    pub fn new(groups: Groups) -> Self {
        Self(groups)
    }
}

impl Actor for GroupTimer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let step = STEP.min(self.0.config().ad_hoc_lifetime / 4);
        let step = step.max(Duration::from_secs(1));
        let watch = watch(self.0.clone(), step);
        ctx.spawn(watch.into_actor(self));
    }
}

async fn watch(groups: Groups, step: Duration) {
    loop {
        actix::clock::sleep(step).await;
        match groups.expire(clock::wall()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "groups ended that nobody used"),
            Err(error) => tracing::warn!(%error, "groups could not be ended; it is tried again"),
        }
    }
}

impl Groups {
    /// Removes the groups of users whose time is over; how many.
    pub async fn expire(&self, now: Timestamp) -> Result<usize, StoreError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.list(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(count);
            };
            after = Some(last.address.clone());
            for head in page.iter().filter(|head| self.is_over(head, now)) {
                // one that was removed meanwhile is gone all the same
                if self.remove(&head.address).await.is_ok() {
                    self.0.metrics.expired.increment(1);
                    count += 1;
                }
            }
        }
    }

    fn is_over(&self, head: &Head, now: Timestamp) -> bool {
        let idle = now.since(head.used);
        head.origin == Origin::AdHoc && idle > self.0.config.ad_hoc_lifetime
    }
}
