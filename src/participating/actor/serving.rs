//! Serves one request that opens something: who sends it, where it goes, which flow it begins.
use super::{
    Services,
    call::Call,
    deletion, deposit, disposition, drain,
    drains::Occasion,
    fetching, focus, live, onward, pager,
    precedence::is_behind,
    proxying, reporting, retrieval,
    server::warn,
    subscribing::{refresh, subscribe, subscribe_to_group},
    subscriptions::Subscriptions,
};
use crate::{
    identity::Address,
    participating::routing::{ALLOW, ALLOW_EVENTS, NoRoute, Route, route},
    profile::mime,
    sip::{
        actor::Incoming,
        codec::{Method, Name},
    },
    sip_core::{Kind, Reply, Verdict, is_third_party},
    trail,
};
use std::rc::Rc;

/// Extensions that a request may require: session timers (RFC 4028), and lists of receivers where
/// they are served (RFC 5366, RFC 5365).
const SUPPORTED: &[&str] = &["timer", "recipient-list-invite", "recipient-list-message"];

/// Each way of serving has a box of its own: a flow takes what its own ladder needs, not what the
/// longest one does, and is moved cheaply until then.
pub(super) async fn serve(
    services: Rc<Services>,
    subscriptions: Subscriptions,
    incoming: Incoming,
) {
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
            Some(Method::Subscribe) => refresh(&services, &subscriptions, &incoming, &tag),
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
                trail::between(&sender, route.recipient());
                Box::pin(proxying::forward(services, incoming, sender, route)).await;
            }
            Verdict::Ok(sender) => {
                trail::between(&sender, route.recipient());
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
            let flow = subscribe(services, subscriptions, incoming, sender, mailbox, package);
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
                let flow = subscribe_to_group(services, subscriptions, incoming, sender, group);
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
