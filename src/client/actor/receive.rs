//! Takes calls.
use super::{
    answer::{sender, whole},
    inbound::{Reception, describe},
    line::{Line, News, listen},
    media,
    state::State,
};
use crate::{
    client::{inbox::Channel, request},
    content::multipart,
    profile::mime,
    sdp::SessionDescription,
    sip::{
        actor::{AnswerOptions, Dialog, Incoming, Reply},
        codec::{Message, Name},
    },
};
use bytes::Bytes;
use std::rc::Rc;

/// Accepts an INVITE and receives what comes through its channel.
pub(super) fn answer(device: &Rc<State>, incoming: Incoming) {
    let request = incoming.request.detached();
    let (recipient, news) = listen();
    let options = AnswerOptions {
        contact: contact(device),
    };
    // a refused one is answered already
    let Ok(handle) = Dialog::answer(&device.host.endpoint, incoming, options, recipient) else {
        return;
    };
    let line = Line::new(handle, Bytes::new());
    actix::spawn(serve(device.clone(), request, line, news));
}

async fn serve(device: Rc<State>, request: Message, mut line: Line, mut news: News) {
    let offer = match media::description(&request) {
        Some(Ok(offer)) => offer,
        Some(Err(error)) => return line.handle.reject(Reply::new(error.status())),
        None => return line.handle.reject(Reply::new(488)),
    };
    match accept(&device, &request, &offer, &mut line).await {
        Ok(open) => {
            open.run_with(&line, &mut news).await;
        }
        Err(reply) => line.handle.reject(reply),
    }
}

/// Answers the offer and opens the session.
async fn accept(
    device: &Rc<State>,
    request: &Message,
    offer: &SessionDescription,
    line: &mut Line,
) -> Result<Open, Reply> {
    let prospect = media::prospect(device).await.map_err(|error| {
        tracing::warn!(%error, "no way through the relay");
        Reply::new(480)
    })?;
    let answer = media::answer(offer, &prospect.local).await;
    let (answer, agreed) = answer.map_err(|refusal| {
        let agent = device.host.endpoint.sent_by();
        Reply::new(refusal.status()).header(Name::Warning.as_str(), refusal.warning(&agent))
    })?;
    let opened = media::open(device, prospect, &agreed).await;
    let (session, events) = opened.map_err(|_| Reply::new(488))?;
    *line.session.borrow_mut() = Some(session.clone());
    line.description = answer.body.into();
    first_message(device, request);
    line.handle
        .accept(Reply::new(200).body(mime::SDP, line.description.clone()));
    let reception = Reception::new(device.clone(), session, sender(request));
    Ok(Open { reception, events })
}

/// A session that is open.
pub(super) struct Open {
    pub reception: Reception,
    pub events: super::pipe::Events,
}

impl Open {
    /// Receives until the session or the dialog ends; returns how many messages came.
    pub async fn run_with(self, line: &Line, news: &mut News) -> usize {
        let reception = self.reception.run(self.events);
        tokio::pin!(reception);
        tokio::select! {
            count = &mut reception => return count,
            () = news.until_end(line) => {}
        }
        // what came before the end is still worked on
        if let Some(session) = line.session.borrow().as_ref() {
            session.close();
        }
        reception.await
    }
}

/// Takes the message that came along with the offer, if one did.
fn first_message(device: &Rc<State>, request: &Message) {
    let content_type = request.value(Name::ContentType).unwrap_or_default();
    let Ok(parts) = multipart::parse(&content_type, request.body()) else {
        return;
    };
    let part = parts
        .iter()
        .find(|part| mime::is(part.content_type(), mime::CPIM));
    if let (Some(part), Some(slot)) = (part, device.reserve()) {
        let (complete, body) = whole(part.content_type(), &part.body);
        let id = request.call_id();
        let received = describe(
            &complete,
            part.content_type(),
            &id,
            sender(request),
            body,
            Channel::Pager,
        );
        device.deliver(slot, received, complete.head.as_deref());
    }
}

pub(super) fn contact(device: &State) -> String {
    format!("<{}>;{}", device.contact, request::features())
}
