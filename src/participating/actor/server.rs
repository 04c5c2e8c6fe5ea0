use super::{
    Services,
    call::Call,
    deletion, deposit, disposition, drain,
    drains::Occasion,
    fetching, focus, hint, live,
    mailbox::{self, Subscriptions},
    onward, pager,
    precedence::is_behind,
    proxying, remote, reporting, retrieval,
};
use crate::{
    clock,
    controlling::GroupChanged,
    deferred::MailboxChanged,
    identity::{Address, outbox},
    participating::routing::{ALLOW, ALLOW_EVENTS, NoRoute, Route, route},
    policy::Handing,
    profile::mime,
    sip::{
        actor::Incoming,
        codec::{Method, Name},
    },
    sip_core::{Kind, RegistrationChanged, Reply, Verdict, is_third_party},
};
use actix::prelude::*;
use std::{rc::Rc, time::Duration};

/// Pause between two handovers begun after a start, so that they leave room for new work.
const RESUME_EVERY: Duration = Duration::from_millis(5);

/// Outboxes looked at together after a start.
const PAGE: usize = 256;

/// Extensions that a request may require: session timers (RFC 4028), and lists of receivers where
/// they are served (RFC 5366, RFC 5365).
const SUPPORTED: &[&str] = &["timer", "recipient-list-invite", "recipient-list-message"];

/// Requests and news that may wait for one shard's server.
const MAILBOX: usize = 4096;

/// Takes the requests of one shard that open something, and starts the flow of each.
pub struct Server {
    services: Rc<Services>,
    subscriptions: Subscriptions,
}

impl Server {
    /// The server of the shard whose services these are.
    pub fn new(services: Rc<Services>) -> Self {
        Self {
            services,
            subscriptions: Subscriptions::default(),
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
        let (services, subscriptions) = (self.services.clone(), self.subscriptions.clone());
        actix_rt::spawn(serve(services, subscriptions, incoming));
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
async fn warn(services: Rc<Services>, owner: Address) {
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

/// Each way of serving has a box of its own: a flow takes what its own ladder needs, not what the
/// longest one does, and is moved cheaply until then.
async fn serve(services: Rc<Services>, subscriptions: Subscriptions, incoming: Incoming) {
    let tag = incoming
        .request
        .to()
        .ok()
        .and_then(|to| to.tag().map(str::to_owned));
    if let Some(tag) = tag {
        if let Err((reply, kind)) = acceptable(&incoming) {
            return services.refuse(&incoming, &reply, kind);
        }
        return match incoming.request.method() {
            Some(Method::Subscribe) => subscriptions.refresh(&services, &incoming, &tag),
            Some(Method::Notify) => services.fetches.notified(&services, &incoming),
            _ => services.refuse(&incoming, &Reply::new(481), "no_such_dialog"),
        };
    }
    let found = route(
        &incoming.request,
        &services.core.domains,
        &services.neighbours,
        &|address| services.is_group(address),
        incoming.source.addr.ip(),
    );
    let passes = found
        .as_ref()
        .is_ok_and(|route| proxying::concerns(&services, &incoming, route));
    // what is asked of the far end is not ours to refuse
    if !passes && let Err((reply, kind)) = acceptable(&incoming) {
        return services.refuse(&incoming, &reply, kind);
    }
    match found {
        Err(no_route) => services.refuse(&incoming, &no_route_reply(&no_route), no_route.kind()),
        Ok(Route::Register) => register(&services, &incoming).await,
        Ok(Route::Server) => services.reply(&incoming, &abilities()),
        Ok(route) => match identify(&services, &incoming).await {
            Verdict::Ok(sender) if passes => {
                Box::pin(proxying::forward(services, incoming, sender, route)).await;
            }
            Verdict::Ok(sender) => {
                Box::pin(serve_user(services, subscriptions, incoming, sender, route)).await;
            }
            Verdict::Challenge(reply) => services.reply(&incoming, &reply),
            Verdict::Forbidden(reply) => services.refuse(&incoming, &reply, "forbidden"),
        },
    }
}

/// Who sends: as a neighbour in the trust domain asserts (RFC 3325 §5), else as proven.
async fn identify(services: &Services, incoming: &Incoming) -> Verdict {
    let request = &incoming.request;
    if !services.neighbours.trusts(incoming.source.addr.ip()) {
        return services.realm.check(request, Kind::Proxy).await;
    }
    let asserted = request.value(Name::PAssertedIdentity);
    let sender = asserted.or_else(|| request.value(Name::From));
    match sender.map(|text| Address::parse(&text)) {
        Some(Ok(sender)) => Verdict::Ok(sender),
        _ => Verdict::Forbidden(Reply::new(400).because("Bad Identity")),
    }
}

async fn serve_user(
    services: Rc<Services>,
    subscriptions: Subscriptions,
    incoming: Incoming,
    sender: Address,
    route: Route,
) {
    match route {
        Route::Mailbox(mailbox, package) => {
            let flow =
                mailbox::subscribe(services, subscriptions, incoming, sender, mailbox, package);
            Box::pin(flow).await;
        }
        Route::Fetch => Box::pin(fetching::fetch(services, incoming, sender)).await,
        Route::Delete => Box::pin(deletion::delete(services, incoming, sender)).await,
        Route::Notifications => Box::pin(disposition::returned(services, incoming, sender)).await,
        Route::Deferred => {
            let owner = sender.clone();
            if let Some(call) = Call::begin(&services, incoming, sender, owner) {
                Box::pin(retrieval::retrieve(call)).await;
            }
        }
        Route::Subscriber(recipient) => subscriber(services, incoming, sender, recipient).await,
        Route::Keep(recipient) => match incoming.request.method() {
            Some(Method::Invite) => {
                if let Some(call) = Call::begin(&services, incoming, sender, recipient) {
                    Box::pin(deposit::deposit(call, "kept for another server")).await;
                }
            }
            Some(Method::Message) => {
                let reason = "kept for another server";
                Box::pin(pager::keep(&services, &incoming, sender, recipient, reason)).await;
            }
            _ => services.reply(&incoming, &Reply::new(480)),
        },
        Route::Group(group) => match incoming.request.method() {
            Some(Method::Invite) => {
                Box::pin(focus::answer(services, incoming, sender, group)).await;
            }
            Some(Method::Message) => {
                Box::pin(focus::message(services, incoming, sender, group)).await;
            }
            Some(Method::Subscribe) => {
                let flow =
                    mailbox::subscribe_to_group(services, subscriptions, incoming, sender, group);
                Box::pin(flow).await;
            }
            _ => services.reply(&incoming, &abilities()),
        },
        Route::Onward(recipient, hop) => {
            Box::pin(onward::serve(services, incoming, sender, recipient, hop)).await;
        }
        Route::Register | Route::Server => {}
    }
}

/// A request for a user of our domains, or for a group that another node owns.
async fn subscriber(
    services: Rc<Services>,
    incoming: Incoming,
    sender: Address,
    recipient: Address,
) {
    if let Some(hop) = services.group_owner(&recipient).await.cloned() {
        return Box::pin(onward::serve(services, incoming, sender, recipient, hop)).await;
    }
    match incoming.request.method() {
        Some(Method::Invite) => invite(services, incoming, sender, recipient).await,
        Some(Method::Message) => {
            Box::pin(pager::message(services, incoming, sender, recipient)).await;
        }
        _ => Box::pin(pager::options(services, incoming, sender, recipient)).await,
    }
}

async fn invite(services: Rc<Services>, incoming: Incoming, sender: Address, recipient: Address) {
    let mut reason = "not registered";
    let mut bindings = services.devices_of(&recipient);
    let request = &incoming.request;
    if !bindings.is_empty() && is_behind(&services, request, &sender, &recipient).await {
        (reason, bindings) = ("older messages wait", Vec::new());
    }
    let Some(call) = Call::begin(&services, incoming, sender, recipient) else {
        return;
    };
    match bindings.is_empty() {
        true => Box::pin(onward::defer(call, reason)).await,
        false => Box::pin(live::call(call, bindings)).await,
    }
}

/// REGISTER; whoever is there now gets what waits (flow R2).
async fn register(services: &Rc<Services>, incoming: &Incoming) {
    let (request, source) = (&incoming.request, incoming.source);
    let is_told = services.neighbours.trusts(source.addr.ip()) && is_third_party(request);
    let handled = match is_told {
        true => services.registrar.handle_third_party(request, source).await,
        false => services.registrar.handle(request, source).await,
    };
    services.reply(incoming, &handled.reply);
    if let Some(news) = &handled.news {
        reporting::tell(services, &news.address);
    }
    if let Some(news) = handled.news
        && news.registered
    {
        drain::start(services, &news.address, Occasion::Login);
        if news.first {
            services.pool.retire(&news.address);
            actix_rt::spawn(warn(services.clone(), news.address));
        }
    }
}

/// What every request must satisfy before it is looked at (RFC 3261 §8.2.2, §16.3).
fn acceptable(incoming: &Incoming) -> Result<(), (Reply, &'static str)> {
    let request = &incoming.request;
    if request.max_forwards() == Some(0) && !request.is(&Method::Options) {
        return Err((Reply::new(483), "max_forwards"));
    }
    let required: Vec<_> = request
        .list(Name::Require)
        .into_iter()
        .filter(|option| {
            !SUPPORTED
                .iter()
                .any(|known| known.eq_ignore_ascii_case(option))
        })
        .collect();
    if !required.is_empty() {
        let reply = Reply::new(420).with(Name::Unsupported, required.join(", "));
        return Err((reply, "extension"));
    }
    Ok(())
}

fn no_route_reply(no_route: &NoRoute) -> Reply {
    let reply = Reply::new(no_route.status());
    match no_route {
        NoRoute::NotAllowed | NoRoute::UnknownMethod => reply.with(Name::Allow, ALLOW),
        NoRoute::BadEvent => reply.with(Name::AllowEvents, ALLOW_EVENTS),
        NoRoute::ForeignDomain => reply.with(Name::Warning, format!("399 restante \"{no_route}\"")),
        _ => reply,
    }
}

/// What this server can do, for OPTIONS (RFC 3261 §11.2).
fn abilities() -> Reply {
    Reply::new(200)
        .with(Name::Allow, ALLOW)
        .with(Name::AllowEvents, ALLOW_EVENTS)
        .with(Name::Accept, format!("{}, {}, */*", mime::SDP, mime::CPIM))
        .with(Name::Supported, "path, timer")
}
