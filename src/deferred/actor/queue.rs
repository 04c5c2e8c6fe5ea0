use super::Deferred;
use crate::{
    clock,
    deferred::{Envelope, Waiting},
    identity::Address,
    store::StoreError,
};
use actix::prelude::*;
use std::time::Duration;

/// What waits for a receiver has changed.
#[derive(Clone, Debug, Message, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct MailboxChanged {
    /// Whose mailbox.
    pub recipient: Address,
    /// What waits now.
    pub waiting: Waiting,
    /// A message came in; else messages only left.
    pub arrived: bool,
}

/// A message was removed because its time was over: its sender may want to hear of it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct MessageExpired {
    /// The message that was.
    pub envelope: Envelope,
}

/// Expires messages, cleans up, and tells the neighbours above what changed. One per process.
pub struct Queue {
    function: Deferred,
    changed: Vec<Recipient<MailboxChanged>>,
    expired: Option<Recipient<MessageExpired>>,
}

/// How often it is weighed whether space can be given back.
const RECLAIM_EVERY: Duration = Duration::from_secs(10);
/// Messages expired by one transaction.
const BATCH: usize = 64;

impl Queue {
    /// Tells each of `changed` of every change, and `expired` of every message that expires.
    pub fn new(
        function: Deferred,
        changed: Vec<Recipient<MailboxChanged>>,
        expired: Option<Recipient<MessageExpired>>,
    ) -> Self {
        Self {
            function,
            changed,
            expired,
        }
    }
}

impl Actor for Queue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let cleaner = clean(self.function.clone(), self.changed.clone());
        ctx.spawn(cleaner.into_actor(self));
        let watch = expire(self.function.clone(), self.expired.clone());
        ctx.spawn(watch.into_actor(self));
        ctx.spawn(reclaim(self.function.clone()).into_actor(self));
    }
}

async fn reclaim(function: Deferred) {
    loop {
        actix::clock::sleep(RECLAIM_EVERY).await;
        let reclaimed = match function.totals().await {
            Ok(totals) => function.reclaim(totals).await.map(drop),
            Err(error) => Err(error),
        };
        report("giving space back", reclaimed);
    }
}

async fn clean(function: Deferred, listeners: Vec<Recipient<MailboxChanged>>) {
    loop {
        function.0.chores.wait().await;
        let list = function.0.chores.take();
        for recipient in list.changed {
            let arrived = list.arrived.contains(&recipient);
            tell(&function, &listeners, recipient, arrived).await;
        }
        // what fails is found again at the next start
        let worked = function.work(list.contents, list.releases).await;
        report("cleaning up", worked);
    }
}

async fn tell(
    function: &Deferred,
    listeners: &[Recipient<MailboxChanged>],
    recipient: Address,
    arrived: bool,
) {
    let waiting = match function.waiting(&recipient).await {
        Ok(waiting) => waiting,
        Err(error) => return report("reading a mailbox", Err(error)),
    };
    for listener in listeners {
        let news = MailboxChanged {
            recipient: recipient.clone(),
            waiting,
            arrived,
        };
        // waits for a full neighbour: the changes of a mailbox are told once meanwhile
        if listener.send(news).await.is_err() {
            function.0.metrics.news_held.increment(1);
        }
    }
}

async fn expire(function: Deferred, listener: Option<Recipient<MessageExpired>>) {
    loop {
        actix::clock::sleep(function.config().expire_every).await;
        loop {
            let expired = function.expire(clock::wall(), BATCH).await;
            let (expired, more) = match expired {
                Ok(outcome) => outcome,
                Err(error) => {
                    report("expiring messages", Err(error));
                    break;
                }
            };
            for envelope in expired {
                if let Some(listener) = &listener
                    && listener.send(MessageExpired { envelope }).await.is_err()
                {
                    function.0.metrics.news_held.increment(1);
                }
            }
            if !more {
                break;
            }
        }
        match function.totals().await {
            Ok(totals) => function.show_level(totals),
            Err(error) => report("counting messages", Err(error)),
        }
    }
}

fn report(what: &str, outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what} failed; it is tried again");
    }
}
