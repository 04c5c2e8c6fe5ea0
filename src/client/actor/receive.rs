//! Takes calls, and calls the deferred function for what waits there.
use super::{
    answer::{sender, whole},
    inbound::{Reception, describe},
    line::{Line, News, listen},
    media,
    state::State,
};
use crate::{
    client::{ClientError, inbox::Channel},
    content::{deferred_list::DeferredList, multipart},
    profile::{feature, mime, psi},
    sdp::{self, SessionDescription},
    sip::{
        actor::{AnswerOptions, Dialog, DialogNews, Extra, Incoming, InviteOptions, Reply},
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
struct Open {
    reception: Reception,
    events: super::pipe::Events,
}

impl Open {
    /// Receives until the session or the dialog ends; returns how many messages came.
    async fn run_with(self, line: &Line, news: &mut News) -> usize {
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

/// Has the deferred function send the messages named, all that wait if none is named.
pub(super) async fn fetch(device: &Rc<State>, references: &[String]) -> Result<usize, ClientError> {
    const NAME: &str = "retrieval";
    let prospect = media::prospect(device).await?;
    let offer = Bytes::from(sdp::offer(&prospect.local));
    let (recipient, mut news) = listen();
    let options = retrieval(device, references, offer.clone());
    let handle = Dialog::invite(&device.host.endpoint, options, recipient)
        .map_err(|_| ClientError::Connection(NAME))?;
    let line = Line::new(handle, offer);
    let response = loop {
        match news.next().await {
            Some(DialogNews::Provisional(_)) => {}
            Some(DialogNews::Answered(response)) => break response,
            Some(DialogNews::Failed { code, message }) => return Err(failed(NAME, code, message)),
            _ => return Err(ClientError::Connection(NAME)),
        }
    };
    let agreed = media::conclude(&response, &prospect.local).await?;
    let (session, events) = media::open(device, prospect, &agreed).await?;
    *line.session.borrow_mut() = Some(session.clone());
    let reception = Reception::new(device.clone(), session, None);
    Ok(Open { reception, events }.run_with(&line, &mut news).await)
}

fn retrieval(device: &Rc<State>, references: &[String], offer: Bytes) -> InviteOptions {
    let uri = format!("sip:{}@{}", psi::DEFERRED, device.domain());
    let mut options = InviteOptions::new(uri, format!("<{}>", device.address), contact(device));
    options.target = device.target();
    options.routes = device.registration.borrow().service_route().to_vec();
    options.ring_timeout = Some(device.config().answer_timeout);
    options.responder = device.responder();
    options.extra = match references.is_empty() {
        true => Extra::new().body(mime::SDP, offer),
        false => {
            let list = DeferredList::of_references(references.iter().cloned());
            let (content_type, body) =
                media::with_part(offer, mime::DEFERRED_LIST, list.to_bytes());
            Extra::new().body(content_type, body)
        }
    };
    options
}

fn failed(name: &'static str, code: u16, message: Option<Message>) -> ClientError {
    match (code, message) {
        (401 | 407, _) => ClientError::Unauthorized { code },
        (_, Some(response)) => ClientError::Refused {
            request: name,
            code,
            reason: response.reason().to_owned(),
        },
        (408, None) => ClientError::TimedOut(name),
        (_, None) => ClientError::Connection(name),
    }
}

fn contact(device: &State) -> String {
    format!("<{}>;{};{}", device.contact, feature::IM, feature::IM_LARGE)
}
