use super::{
    call::Call,
    channel::{Agreed, Channel},
    handover::{Broken, Handover},
    inflow::inflow,
    requests,
};
use crate::{
    content::deferred_list::{Action, DeferredList, Terms},
    deferred::Envelope,
    profile::mime,
    sip_core::Reply,
    store::StoreError,
};
use std::rc::Rc;

/// What a receiver wants to have when the channel is there.
struct Wanted {
    first: First,
    /// Whether it will ask for more, and ends the call itself.
    keep: bool,
    /// Whether nothing but success reports tells that it has a message.
    reports: bool,
}

/// What is sent of its own accord.
enum First {
    All,
    These(Vec<Envelope>),
    /// A page of the list.
    Page(Terms),
    /// Nothing: the device will ask.
    Nothing,
}

/// A receiver calls the deferred function (flows R1 and R3): what it names, or everything that
/// waits for it, is sent through the channel it opened; then the call ends, unless the device
/// keeps the channel to ask for more.
pub(super) async fn retrieve(mut call: Call) {
    let services = call.services.clone();
    let watch = Rc::new(services.deferred.watch(&call.sender));
    let wanted = match wanted(&call).await {
        Ok(wanted) => wanted,
        Err(reply) => return call.refuse(&reply, "deferred_list"),
    };
    let (sink, arrivals) = inflow(&services);
    let channel = Channel::new(&services);
    let agreed = match channel.answer(&call.offer, sink).await {
        Ok(agreed) => agreed,
        Err(unfit) => return call.refuse_unfit(&unfit),
    };
    let Agreed {
        session,
        remote,
        body,
    } = agreed;
    call.accept(body, true, None);
    let owner = (call.sender.clone(), watch);
    let mut handover = Handover::new(services, owner, session.clone(), arrivals, remote);
    if wanted.reports {
        handover.believe_reports_only();
    }
    tokio::select! {
        sent = send(wanted, &mut handover) => {
            let reason = match sent {
                Ok(()) => "SIP;cause=200;text=\"all sent\"".to_owned(),
                Err(broken) => format!("SIP;cause=500;text=\"{broken}\""),
            };
            call.dialog.bye(Some(&reason));
        }
        () = super::line::hung_up(&mut call.news, &call.dialog) => {}
    }
    session.close();
}

/// What the INVITE asks for: the messages or the page that its body lists, or all where it lists
/// none.
async fn wanted(call: &Call) -> Result<Wanted, Reply> {
    let lists = call.parts.iter();
    let mut lists = lists.filter(|part| mime::is(part.content_type(), mime::DEFERRED_LIST));
    let Some(part) = lists.next() else {
        return Ok(Wanted {
            first: First::All,
            keep: false,
            reports: false,
        });
    };
    let list = DeferredList::parse(&part.body)
        .map_err(|_| Reply::new(400).because("Bad Deferred List"))?;
    let (keep, reports) = (list.terms.keep, list.terms.reports);
    let wanted = |first| Wanted {
        first,
        keep,
        reports,
    };
    if list.terms.action == Some(Action::List) {
        return Ok(wanted(First::Page(list.terms)));
    }
    let mut found = Vec::new();
    for reference in list.references() {
        let waiting = call.services.deferred.find(&call.sender, reference).await;
        found.extend(waiting.map_err(|_: StoreError| Reply::new(500))?);
    }
    match (found.is_empty(), keep) {
        (false, _) => Ok(wanted(First::These(found))),
        (true, true) => Ok(wanted(First::Nothing)),
        (true, false) => Err(Reply::new(404).because("No Such Message")),
    }
}

async fn send(wanted: Wanted, handover: &mut Handover) -> Result<(), Broken> {
    handover.bound().await?;
    match wanted.first {
        First::These(envelopes) => {
            for envelope in &envelopes {
                handover.send(envelope).await?;
            }
            handover.finish().await?;
        }
        First::All => handover.send_all().await?,
        First::Page(terms) => {
            let mut page = requests::page(handover, &terms).await?;
            page.terms.action = Some(Action::List);
            let page = page.to_bytes().into();
            handover.send_document(mime::DEFERRED_LIST, page).await?;
        }
        First::Nothing => {}
    }
    match wanted.keep {
        true => requests::serve_on(handover).await,
        false => {
            requests::serve(handover).await?;
            handover.finish().await
        }
    }
}
