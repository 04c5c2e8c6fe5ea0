use super::{
    Services, drain, drains::Occasion, entrance::Entrance, hint, remote, reporting,
    subscriptions::Subscriptions,
};
use crate::{
    clock,
    controlling::GroupChanged,
    deferred::MailboxChanged,
    identity::{Address, outbox},
    policy::Handing,
    sip::actor::Incoming,
    sip_core::RegistrationChanged,
};
use actix::prelude::*;
use std::{rc::Rc, time::Duration};

/// Pause between two handovers begun after a start, so that they leave room for new work.
const RESUME_EVERY: Duration = Duration::from_millis(5);

/// Outboxes looked at together after a start.
const PAGE: usize = 256;

/// Requests and news that may wait for one shard's server.
const MAILBOX: usize = 4096;

/// Takes the requests of one shard that open something, and starts the flow of each.
pub struct Server {
    services: Rc<Services>,
    subscriptions: Subscriptions,
    entrance: Entrance,
}

impl Server {
    /// The server of the shard whose services these are.
    pub fn new(services: Rc<Services>) -> Self {
        let subscriptions = Subscriptions::default();
        Self {
            entrance: Entrance::open(services.clone(), subscriptions.clone()),
            services,
            subscriptions,
        }
    }
}

impl Actor for Server {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        if self.services.endpoint.shard() == 0 {
            actix_rt::spawn(resume(self.services.clone()));
        }
    }
}

impl Handler<Incoming> for Server {
    type Result = ();

    fn handle(&mut self, incoming: Incoming, _: &mut Self::Context) {
        self.entrance.take(incoming);
    }
}

impl Handler<MailboxChanged> for Server {
    type Result = ();

    fn handle(&mut self, news: MailboxChanged, _: &mut Self::Context) {
        if self.services.watchers.has(&news.recipient) {
            let (services, subscriptions) = (self.services.clone(), self.subscriptions.clone());
            let recipient = news.recipient.clone();
            actix_rt::spawn(async move {
                let handing = services.handing(&recipient).await;
                if handing.is_ok_and(Handing::tells) {
                    subscriptions.changed(&recipient);
                }
            });
        }
        // every shard hears of it; one sees to it
        let recipient = &news.recipient;
        let (is_outbox, is_mine) = (
            outbox::is_one(recipient),
            self.services.endpoint.owns(recipient.as_str().as_bytes()),
        );
        if news.warn && is_mine && !is_outbox {
            actix_rt::spawn(warn(self.services.clone(), news.recipient.clone()));
        }
        if news.arrived && is_mine {
            let location = &self.services.location;
            if is_outbox || location.is_registered(recipient, clock::wall()) {
                drain::start(&self.services, &news.recipient, Occasion::Mail);
            }
        }
    }
}

impl Handler<RegistrationChanged> for Server {
    type Result = ();

    fn handle(&mut self, news: RegistrationChanged, _: &mut Self::Context) {
        reporting::tell(&self.services, &news.address);
    }
}

impl Handler<GroupChanged> for Server {
    type Result = ();

    fn handle(&mut self, news: GroupChanged, _: &mut Self::Context) {
        self.services.conferences.changed(&news.address, news.group);
    }
}

/// Warns the owner of a mailbox that is nearly full, if that is still to be done.
pub(super) async fn warn(services: Rc<Services>, owner: Address) {
    if let Err(error) = hint::warn(&services, &owner).await {
        tracing::warn!(%error, %owner, "no warning of a mailbox that is nearly full");
    }
}

/// Hands over what waits for users whose logins outlived the last run of the server: they have no
/// reason to log in again. Then what other servers were to take over.
async fn resume(services: Rc<Services>) {
    for address in services.location.addresses() {
        let waiting = services.deferred.waiting(&address).await;
        let is_elsewhere = remote::keeper(&services, &address).is_some();
        if is_elsewhere || waiting.is_ok_and(|waiting| !waiting.is_empty()) {
            drain::start(&services, &address, Occasion::Mail);
            tokio::time::sleep(RESUME_EVERY).await;
        }
    }
    let mut after = outbox::first();
    loop {
        let page = services.deferred.mailboxes(after.as_ref(), PAGE).await;
        let page = page.unwrap_or_default();
        let Some((last, _)) = page.last() else { return };
        after = Some(last.clone());
        for (mailbox, _) in page {
            drain::start(&services, &mailbox, Occasion::Mail);
            tokio::time::sleep(RESUME_EVERY).await;
        }
    }
}
