use super::{Deferred, figures};
use crate::{clock, deferred::Waiting, identity::Address, store::StoreError};
use actix::prelude::*;
use std::{sync::Arc, time::Duration};

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
    /// The receiver is to be warned: the mailbox is nearly full.
    pub warn: bool,
}

/// Whether anybody wants to hear of a mailbox: nobody does of most.
pub type Interest = Arc<dyn Fn(&Address) -> bool + Send + Sync>;

/// Expires messages, cleans up, and tells the neighbours above what changed. One per process.
pub struct Queue {
    function: Deferred,
    listeners: Vec<Recipient<MailboxChanged>>,
    interest: Interest,
}

/// How often it is weighed whether space can be given back.
const RECLAIM_EVERY: Duration = Duration::from_secs(10);
/// Messages expired by one transaction.
const BATCH: usize = 64;

impl Queue {
    /// Tells each of `listeners` of every change of a mailbox in which there is `interest`.
    pub fn new(
        function: Deferred,
        listeners: Vec<Recipient<MailboxChanged>>,
        interest: Interest,
    ) -> Self {
        Self {
            function,
            listeners,
            interest,
        }
    }
}

impl Actor for Queue {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (listeners, interest) = (self.listeners.clone(), self.interest.clone());
        let cleaner = clean(self.function.clone(), listeners, interest);
        ctx.spawn(cleaner.into_actor(self));
        ctx.spawn(expire(self.function.clone()).into_actor(self));
        ctx.spawn(reclaim(self.function.clone()).into_actor(self));
        ctx.spawn(figures::survey(self.function.clone()).into_actor(self));
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

async fn clean(function: Deferred, listeners: Vec<Recipient<MailboxChanged>>, interest: Interest) {
    loop {
        function.0.chores.wait().await;
        let list = function.0.chores.take();
        for news in list.changed.into_values() {
            if interest(&news.recipient) {
                tell(&function, &listeners, news).await;
            }
        }
        // what fails is found again at the next start
        let worked = function.work(list.contents, list.broken).await;
        report("cleaning up", worked);
    }
}

async fn tell(function: &Deferred, listeners: &[Recipient<MailboxChanged>], news: MailboxChanged) {
    for listener in listeners {
        // waits for a full neighbour: the changes of a mailbox are told once meanwhile
        if listener.send(news.clone()).await.is_err() {
            function.0.metrics.news_held.increment(1);
        }
    }
}

async fn expire(function: Deferred) {
    loop {
        actix::clock::sleep(function.config().expire_every).await;
        loop {
            match function.expire(clock::wall(), BATCH).await {
                Ok((_, true)) => {}
                Ok((_, false)) => break,
                Err(error) => {
                    report("expiring messages", Err(error));
                    break;
                }
            }
        }
    }
}

fn report(what: &str, outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "{what} failed; it is tried again");
    }
}
