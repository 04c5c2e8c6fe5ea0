//! A message through a channel of its own.
use super::{
    inbound::Reception,
    line::{Line, News, listen},
    media,
    outbound::{Failure, Transfer},
    pipe::part,
    send::{unreadable, uri},
    source::Source,
    standing::OpenCall,
    state::{State, outcome},
};
use crate::{
    client::{ClientError, Outcome, Outgoing, request},
    clock, msrp, net,
    profile::{
        feature,
        mime::{self, is_accepted},
    },
    sdp::{self, MessageMedia},
    sip::{
        actor::{Dialog, DialogNews, Extra, InviteOptions},
        codec::{Message, Name},
    },
};
use bytes::Bytes;
use std::rc::Rc;
use tokio::time::timeout;

/// An INVITE, the message through its channel, and BYE, at once or after a while.
pub(super) struct Call<'a> {
    device: &'a Rc<State>,
    outgoing: &'a Outgoing,
    id: &'a str,
}

impl<'a> Call<'a> {
    pub fn new(device: &'a Rc<State>, outgoing: &'a Outgoing, id: &'a str) -> Self {
        Self {
            device,
            outgoing,
            id,
        }
    }

    /// Sends the message over a call that stands open, or over one of its own.
    pub async fn run(&self) -> Result<Outcome, ClientError> {
        if self.may_share()
            && let Some(standing) = self.device.standing.take(uri(self.outgoing)).await
        {
            match self.send_over(standing).await {
                // it ended unseen, which says nothing of the receiver
                Err(ClientError::Connection(_)) => {}
                sent => return sent,
            }
        }
        match self.open().await? {
            Ok(call) => self.send_over(call).await,
            Err(refusal) => Ok(refusal),
        }
    }

    /// Whether the message needs nothing said in an INVITE of its own, and calls are kept at all.
    fn may_share(&self) -> bool {
        !self.device.config().linger.is_zero() && self.outgoing.expires.is_none()
    }

    /// An answered call with its channel, or the refusal.
    async fn open(&self) -> Result<Result<OpenCall, Outcome>, ClientError> {
        let prospect = media::prospect(self.device).await?;
        let offer = Bytes::from(sdp::offer(&prospect.local));
        let (recipient, mut news) = listen();
        let options = self.options(offer.clone());
        let handle = Dialog::invite(&self.device.host.endpoint, options, recipient)
            .map_err(|_| ClientError::Connection("channel"))?;
        let line = Line::new(handle, offer);
        let response = match self.answer(&mut news).await? {
            Ok(response) => response,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let agreed = media::conclude(&response, &prospect.local).await?;
        let is_relayed = prospect.is_relayed(&agreed.remote);
        let (session, events) = media::open(self.device, prospect, &agreed).await?;
        *line.session.borrow_mut() = Some(session.clone());
        // whoever answered may have something to say too: a group passes on what others send
        let (events, messages) = part(events, &session);
        let sender = Some(self.outgoing.to.clone());
        let reception = Reception::new(self.device.clone(), session.clone(), sender);
        actix::spawn(reception.attend(messages));
        Ok(Ok(OpenCall {
            line,
            news,
            session,
            events,
            remote: agreed.remote,
            is_relayed,
            is_automaton: is_automaton(&response),
        }))
    }

    async fn send_over(&self, mut call: OpenCall) -> Result<Outcome, ClientError> {
        let (content_type, source) = match self.source(&call.remote).await? {
            Ok(source) => source,
            Err(refusal) => return Ok(refusal),
        };
        let message_id = match request::is_ident(self.id) {
            true => self.id.to_owned(),
            false => net::random_token(16),
        };
        let config = self.device.config();
        let mut transfer = Transfer::new(&call.session, config, &message_id, &content_type);
        transfer.success_report = self.outgoing.success_report || call.is_relayed;
        transfer.progress = self.outgoing.progress.as_ref();
        let sent = tokio::select! {
            biased;
            sent = transfer.run(source, &mut call.events) => sent,
            () = call.news.until_end(&call.line) => Err(Failure::Lost),
        };
        let outcome = match sent {
            Ok(()) if call.is_automaton => Outcome::Stored,
            Ok(()) => Outcome::Delivered,
            Err(failure) => return self.failed(failure),
        };
        if self.may_share() {
            let standing = &self.device.standing;
            standing.keep(uri(self.outgoing), call, config.linger);
        }
        Ok(outcome)
    }

    fn options(&self, offer: Bytes) -> InviteOptions {
        let device = self.device;
        let contact = format!("<{}>;{}", device.contact, request::features());
        let mut options =
            InviteOptions::new(uri(self.outgoing), format!("<{}>", device.address), contact);
        options.to = format!("<{}>", self.outgoing.to);
        options.target = device.target();
        options.routes = device.registration.borrow().service_route().to_vec();
        options.ring_timeout = Some(device.config().answer_timeout);
        options.responder = device.responder();
        let headers = request::channel_headers(self.outgoing, &net::random_token(16));
        let mut extra = Extra::new().body(mime::SDP, offer);
        for (name, value) in headers {
            extra = extra.header(name.as_str(), value);
        }
        if let Some(seconds) = request::lifetime(self.outgoing.expires, clock::wall()) {
            extra = extra.header("Message-Expires", seconds);
        }
        options.extra = extra;
        options
    }

    /// The 2xx, or the refusal.
    async fn answer(&self, news: &mut News) -> Result<Result<Message, Outcome>, ClientError> {
        // the dialog gives up by itself after `answer_timeout`; this is for a dialog that died
        let patience = self.device.config().answer_timeout * 2;
        let wait = async {
            loop {
                match news.next().await {
                    Some(DialogNews::Provisional(_)) => {}
                    other => return other,
                }
            }
        };
        match timeout(patience, wait).await {
            Ok(Some(DialogNews::Answered(response))) => Ok(Ok(response)),
            Ok(Some(DialogNews::Failed {
                code,
                message: Some(response),
            })) => match code {
                401 | 407 => Err(ClientError::Unauthorized { code }),
                _ => Ok(Err(outcome(code, response.reason()))),
            },
            Ok(Some(DialogNews::Failed { code: 408, .. })) | Err(_) => {
                Err(ClientError::TimedOut("channel"))
            }
            Ok(_) => Err(ClientError::Connection("channel")),
        }
    }

    /// The octets to send and their type, in a form the other side takes.
    pub async fn source(
        &self,
        remote: &MessageMedia,
    ) -> Result<Result<(String, Source), Outcome>, ClientError> {
        let content = Source::open(&self.outgoing.content).await?;
        let (content_type, source) = if is_accepted(&remote.accept_types, mime::CPIM) {
            let wrapper =
                request::wrapper(&self.device.address, self.outgoing, self.id, clock::wall());
            let head = wrapper.head(&self.outgoing.content_type, Some(content.left()));
            (mime::CPIM.to_owned(), content.wrapped_in(head))
        } else if is_accepted(&remote.accept_types, &self.outgoing.content_type) {
            (self.outgoing.content_type.clone(), content)
        } else {
            return Ok(Err(refused(415)));
        };
        match remote.max_size.is_some_and(|most| source.left() > most) {
            true => Ok(Err(refused(413))),
            false => Ok(Ok((content_type, source))),
        }
    }

    pub fn failed(&self, failure: Failure) -> Result<Outcome, ClientError> {
        const NAME: &str = "channel";
        match failure {
            Failure::Status(408) => Err(ClientError::TimedOut(NAME)),
            // the session was lost on the way, not refused
            Failure::Status(481 | 506) | Failure::Lost => Err(ClientError::Connection(NAME)),
            Failure::Status(code) => Ok(refused(code)),
            Failure::Silent => Err(ClientError::TimedOut(NAME)),
            Failure::Read(error) => Err(unreadable(self.outgoing, error)),
        }
    }
}

/// A refusal on the channel, in the words of MSRP.
fn refused(code: u16) -> Outcome {
    Outcome::Refused {
        code,
        reason: msrp::Status::of(code).comment,
    }
}

/// Whether a machine answered: a server that keeps the message.
fn is_automaton(response: &Message) -> bool {
    let contact = response.value(Name::Contact).unwrap_or_default();
    let parameters = contact
        .split_once('>')
        .map_or("", |(_, parameters)| parameters);
    feature::has_flag(parameters, feature::AUTOMATA)
}
