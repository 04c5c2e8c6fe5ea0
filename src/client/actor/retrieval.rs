//! Calls the deferred function for what waits there.
use super::{
    inbound::{Reception, Said},
    line::{Line, News, listen},
    media,
    receive::{Open, contact},
    state::State,
};
use crate::{
    client::ClientError,
    content::deferred_list::{Action, DeferredList, Terms},
    msrp::{
        ByteRange, Continuation, FailureReport, OutgoingHead,
        actor::{SendError, SessionHandle},
    },
    net,
    profile::{mime, psi},
    sdp,
    sip::{
        actor::{Dialog, DialogNews, Extra, InviteOptions},
        codec::Message,
    },
};
use bytes::Bytes;
use std::rc::Rc;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

const NAME: &str = "retrieval";

/// Has the deferred function send the messages named, all that wait if none is named.
pub(super) async fn fetch(device: &Rc<State>, references: &[String]) -> Result<usize, ClientError> {
    let list = match references.is_empty() {
        true => None,
        false => Some(DeferredList::of_references(references.iter().cloned())),
    };
    let mut called = call(device, list).await?;
    let open = called.open;
    Ok(open.run_with(&called.line, &mut called.news).await)
}

/// A channel to the deferred function that stays open for requests. Dropped, it ends.
pub struct DeferredLine {
    device: Rc<State>,
    session: SessionHandle,
    said: mpsc::UnboundedReceiver<Said>,
    _hang_up: oneshot::Sender<()>,
}

/// Opens a channel over which the device asks for what it wants.
pub(super) async fn open(device: &Rc<State>) -> Result<DeferredLine, ClientError> {
    let list = DeferredList {
        terms: Terms {
            keep: true,
            ..Terms::default()
        },
        ..DeferredList::default()
    };
    let Called {
        line,
        mut news,
        session,
        mut open,
    } = call(device, Some(list)).await?;
    let (listener, said) = mpsc::unbounded_channel();
    open.reception.listen(listener);
    let (hang_up, hung_up) = oneshot::channel();
    actix::spawn(async move {
        tokio::select! {
            _ = open.run_with(&line, &mut news) => {}
            _ = hung_up => {}
        }
    });
    Ok(DeferredLine {
        device: device.clone(),
        session,
        said,
        _hang_up: hang_up,
    })
}

impl DeferredLine {
    /// One page of the list, as [`Device::deferred_page`](super::Device::deferred_page) has it.
    pub async fn list(
        &mut self,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<DeferredList, ClientError> {
        let list = DeferredList {
            terms: Terms {
                after: after.map(str::to_owned),
                limit,
                ..Terms::default()
            },
            ..DeferredList::default()
        };
        self.ask(Action::List, list).await
    }

    /// Has messages sent over this channel; the identifiers of those that came.
    pub async fn fetch(&mut self, references: &[String]) -> Result<Vec<String>, ClientError> {
        self.ask_for(Action::Fetch, references).await
    }

    /// Deletes messages; the identifiers of those that were there.
    pub async fn delete(&mut self, references: &[String]) -> Result<Vec<String>, ClientError> {
        self.ask_for(Action::Delete, references).await
    }

    async fn ask_for(
        &mut self,
        action: Action,
        references: &[String],
    ) -> Result<Vec<String>, ClientError> {
        let list = DeferredList::of_references(references.iter().cloned());
        let list = self.ask(action, list).await?;
        Ok(list.references().map(str::to_owned).collect())
    }

    async fn ask(
        &mut self,
        action: Action,
        mut list: DeferredList,
    ) -> Result<DeferredList, ClientError> {
        list.terms.action = Some(action);
        let id = net::random_token(16);
        self.send(&id, list.to_bytes().into()).await?;
        let answer = async {
            loop {
                match self.said.recv().await {
                    Some(Said::List(list)) if list.terms.request.as_ref() == Some(&id) => {
                        return Ok(list);
                    }
                    Some(Said::List(_)) => {}
                    Some(Said::Refusal(code)) => {
                        return Err(ClientError::Refused {
                            request: NAME,
                            code,
                            reason: crate::msrp::Status::of(code).comment,
                        });
                    }
                    None => return Err(ClientError::Connection(NAME)),
                }
            }
        };
        let patience = self.device.config().idle_timeout;
        let answer = timeout(patience, answer).await;
        answer.unwrap_or(Err(ClientError::TimedOut(NAME)))
    }

    async fn send(&self, id: &str, document: Bytes) -> Result<(), ClientError> {
        let total = document.len() as u64;
        let mut head = OutgoingHead::new(id.to_owned(), mime::DEFERRED_LIST.to_owned());
        head.byte_range = Some(ByteRange::after(0, Some(total), Some(total)));
        head.failure_report = FailureReport::Yes;
        let parts = [document];
        let until = self.device.config().answer_timeout;
        let sending = async {
            loop {
                let sent = self
                    .session
                    .send(head.clone(), &parts, Continuation::Complete);
                match sent {
                    Ok(_) => return Ok(()),
                    Err(SendError::Closed) => return Err(ClientError::Connection(NAME)),
                    // it connects, or its connection is full for the moment
                    Err(SendError::Full | SendError::NotBound) => {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        let sent = timeout(until, sending).await;
        sent.unwrap_or(Err(ClientError::TimedOut(NAME)))
    }
}

/// How long to wait for a channel that takes nothing at the moment.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// A call that was answered.
struct Called {
    line: Line,
    news: News,
    session: SessionHandle,
    open: Open,
}

async fn call(device: &Rc<State>, list: Option<DeferredList>) -> Result<Called, ClientError> {
    let prospect = media::prospect(device).await?;
    let offer = Bytes::from(sdp::offer(&prospect.local));
    let (recipient, mut news) = listen();
    let options = retrieval(device, list, offer.clone());
    let handle = Dialog::invite(&device.host.endpoint, options, recipient)
        .map_err(|_| ClientError::Connection(NAME))?;
    let line = Line::new(handle, offer);
    let response = loop {
        match news.next().await {
            Some(DialogNews::Provisional(_)) => {}
            Some(DialogNews::Answered(response)) => break response,
            Some(DialogNews::Failed { code, message }) => return Err(failed(code, message)),
            _ => return Err(ClientError::Connection(NAME)),
        }
    };
    let agreed = media::conclude(&response, &prospect.local).await?;
    let (session, events) = media::open(device, prospect, &agreed).await?;
    *line.session.borrow_mut() = Some(session.clone());
    let reception = Reception::new(device.clone(), session.clone(), None);
    let open = Open { reception, events };
    Ok(Called {
        line,
        news,
        session,
        open,
    })
}

fn retrieval(device: &Rc<State>, list: Option<DeferredList>, offer: Bytes) -> InviteOptions {
    let uri = format!("sip:{}@{}", psi::DEFERRED, device.domain());
    let mut options = InviteOptions::new(uri, format!("<{}>", device.address), contact(device));
    options.target = device.target();
    options.routes = device.registration.borrow().service_route().to_vec();
    options.ring_timeout = Some(device.config().answer_timeout);
    options.responder = device.responder();
    options.extra = match list {
        None => Extra::new().body(mime::SDP, offer),
        Some(list) => {
            let (content_type, body) =
                media::with_part(offer, mime::DEFERRED_LIST, list.to_bytes());
            Extra::new().body(content_type, body)
        }
    };
    options
}

fn failed(code: u16, message: Option<Message>) -> ClientError {
    match (code, message) {
        (401 | 407, _) => ClientError::Unauthorized { code },
        (_, Some(response)) => ClientError::Refused {
            request: NAME,
            code,
            reason: response.reason().to_owned(),
        },
        (408, None) => ClientError::TimedOut(NAME),
        (_, None) => ClientError::Connection(NAME),
    }
}
