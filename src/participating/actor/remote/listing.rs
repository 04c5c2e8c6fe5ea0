use super::super::Services;
use crate::{
    content::deferred_list::DeferredList,
    identity::Address,
    neighbours::Hop,
    participating::invitation,
    profile::{event, mime},
    sip::{
        actor::{Incoming, RequestFailed, Target},
        codec::{Builder, Method, Name},
    },
    sip_core::Reply,
};
use bytes::Bytes;
use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};
use tokio::sync::mpsc;

/// How long the NOTIFY may stay away (RFC 6665 §4.1.2.4, Timer N).
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(32);

/// Subscriptions of this server's own that wait for their NOTIFY, by Call-ID.
#[derive(Clone, Default)]
pub struct Fetches(Rc<RefCell<HashMap<String, mpsc::UnboundedSender<Bytes>>>>);

/// Why a mailbox elsewhere could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("the deferred server answered {0}")]
    Refused(u16),
    #[error(transparent)]
    Failed(#[from] RequestFailed),
    #[error("no NOTIFY came")]
    Silent,
    #[error("the list can't be read")]
    List,
}

/// Forgets the fetch when it is over.
struct Entered<'a> {
    fetches: &'a Fetches,
    call_id: String,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.fetches.0.borrow_mut().remove(&self.call_id);
    }
}

impl Fetches {
    /// Takes a NOTIFY within a dialog; 481 where nobody waits for it, which ends the subscription.
    pub fn notified(&self, services: &Services, incoming: &Incoming) {
        let request = &incoming.request;
        let waiting = self.0.borrow().get(request.call_id().as_ref()).cloned();
        let Some(waiting) = waiting else {
            return services.refuse(incoming, &Reply::new(481), "no_such_subscription");
        };
        services.reply(incoming, &Reply::new(200));
        if !request.body().is_empty() {
            // who waits may have given up meanwhile
            let _ = waiting.send(request.body().clone());
        }
    }
}

/// One page of the mailbox of `owner` at `keeper`, behind the mark `after`: SUBSCRIBE without a
/// lifetime, which brings one NOTIFY (RFC 6665 §4.4.3).
pub(super) async fn page(
    services: &Services,
    owner: &Address,
    keeper: &Hop,
    after: Option<&str>,
) -> Result<DeferredList, Unread> {
    let call_id = services.endpoint.new_call_id();
    let (sender, mut notified) = mpsc::unbounded_channel();
    let fetches = &services.fetches;
    fetches.0.borrow_mut().insert(call_id.clone(), sender);
    let entered = Entered { fetches, call_id };
    let request = subscribe(services, owner, keeper, after, &entered.call_id);
    let answer = services.endpoint.exchange(request.build(), Target::Message);
    match answer.await?.code().unwrap_or(500) {
        200..300 => {}
        code => return Err(Unread::Refused(code)),
    }
    let body = tokio::time::timeout(NOTIFY_TIMEOUT, notified.recv()).await;
    let body = body.ok().flatten().ok_or(Unread::Silent)?;
    DeferredList::parse(&body).map_err(|_| Unread::List)
}

fn subscribe(
    services: &Services,
    owner: &Address,
    keeper: &Hop,
    after: Option<&str>,
    call_id: &str,
) -> Builder {
    let package = match after {
        Some(after) => format!("{};{}={after}", event::DEFERRED_MESSAGES, event::AFTER),
        None => event::DEFERRED_MESSAGES.to_owned(),
    };
    let contact = invitation::contact(owner.user(), &services.endpoint.sent_by(), true);
    let request = invitation::request(Method::Subscribe, owner.as_str(), owner, owner)
        .header(
            Name::From,
            format!("<{owner}>;tag={}", services.endpoint.new_tag()),
        )
        .header(Name::CallId, call_id)
        .header(Name::CSeq, "1 SUBSCRIBE")
        .header(Name::Contact, contact)
        .header(Name::Event, package)
        .header(Name::Accept, mime::DEFERRED_LIST)
        .header(Name::Expires, "0");
    match keeper.route() {
        Some(route) => request.header(Name::Route, route),
        None => request,
    }
}
