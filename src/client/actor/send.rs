//! Sends a message: by MESSAGE where it fits, through a channel otherwise, again if that fails.
use super::{
    device::{State, outcome},
    line::{Line, News, listen},
    media,
    outbound::{Failure, Transfer},
    source::Source,
};
use crate::{
    client::{
        Channel, ClientError, Content, Mode, Outcome, Outgoing, Receipt,
        error::is_transient_status, request,
    },
    clock, msrp, net,
    profile::{
        feature,
        mime::{self, is_accepted},
    },
    sdp::{self, MessageMedia},
    sip::{
        actor::{Dialog, DialogNews, Extra, InviteOptions},
        codec::{Builder, Message, Name},
    },
};
use bytes::Bytes;
use std::rc::Rc;
use tokio::time::timeout;

/// Octets the endpoint adds for its Via.
const VIA: usize = 110;
/// Octets of credentials for a challenge that is still to come.
const CREDENTIALS: usize = 350;

/// Sends until it is accepted, refused for good, or tried often enough.
pub(super) async fn send(device: &Rc<State>, outgoing: &Outgoing) -> Result<Receipt, ClientError> {
    let message_id = outgoing
        .message_id
        .clone()
        .unwrap_or_else(|| net::random_token(16));
    let (most, mut pause) = (device.config().attempts.max(1), device.config().retry_pause);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let result = attempt(device, outgoing, &message_id).await;
        let again = match &result {
            Ok((Outcome::Refused { code, .. }, _)) => is_transient_status(*code),
            Ok(_) => false,
            Err(error) => error.is_transient(),
        };
        if !again || attempts >= most {
            return result.map(|(outcome, channel)| Receipt {
                message_id,
                outcome,
                channel,
                attempts,
            });
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn attempt(
    device: &Rc<State>,
    outgoing: &Outgoing,
    id: &str,
) -> Result<(Outcome, Channel), ClientError> {
    if let Some(pager) = Pager::build(device, outgoing, id).await? {
        let limit = usize::try_from(device.config().pager_limit.as_u64()).unwrap_or(usize::MAX);
        match pager.size <= limit {
            true => return Ok((pager.send(device, outgoing).await?, Channel::Pager)),
            false if outgoing.mode == Mode::Pager => {
                let size = pager.size;
                return Err(ClientError::TooLargeForPager { size, limit });
            }
            false => {}
        }
    }
    let outcome = Call::new(device, outgoing, id).run().await?;
    Ok((outcome, Channel::Msrp))
}

/// A message as one request.
struct Pager {
    body: Bytes,
    size: usize,
}

impl Pager {
    /// The request, if the mode allows it and the content is small enough to be looked at.
    async fn build(
        device: &State,
        outgoing: &Outgoing,
        id: &str,
    ) -> Result<Option<Self>, ClientError> {
        if outgoing.mode == Mode::Channel {
            return Ok(None);
        }
        let mut source = Source::open(&outgoing.content).await?;
        let octets = source.left();
        if octets > device.config().pager_limit.as_u64() {
            return match outgoing.mode {
                Mode::Pager => Err(ClientError::TooLargeForPager {
                    size: usize::try_from(octets).unwrap_or(usize::MAX),
                    limit: usize::try_from(device.config().pager_limit.as_u64())
                        .unwrap_or(usize::MAX),
                }),
                _ => Ok(None),
            };
        }
        let read = source.next(usize::MAX).await;
        let content = read.map_err(|error| unreadable(outgoing, error))?.concat();
        let wrapper = request::wrapper(&device.address, outgoing, id, clock::wall());
        let body = wrapper.build(&outgoing.content_type, &content);
        let mut pager = Self { body, size: 0 };
        pager.size = pager.measure(device, outgoing);
        Ok(Some(pager))
    }

    /// What the limit is about: over UDP the whole request as it will leave, over a stream, which
    /// has congestion control, the body (RFC 3428 §8).
    fn measure(&self, device: &State, outgoing: &Outgoing) -> usize {
        if device.server.transport.is_reliable() {
            return self.body.len();
        }
        let request = device.routed(self.request(device, outgoing, &device.ids()));
        let bare = request.clone().build();
        let signed = device.responder().map(|responder| {
            let mut trial = responder.lock().clone();
            match trial.is_ready() {
                true => trial
                    .sign(request, "MESSAGE", bare.uri_text(), "0123456789abcdef")
                    .build()
                    .octets()
                    .len(),
                false => bare.octets().len() + CREDENTIALS,
            }
        });
        signed.unwrap_or(bare.octets().len()) + VIA
    }

    fn request(&self, device: &State, outgoing: &Outgoing, ids: &request::Ids) -> Builder {
        let uri = uri(outgoing);
        let request = request::message(
            uri,
            &device.address,
            &outgoing.to,
            ids,
            mime::CPIM,
            self.body.clone(),
        );
        match request::lifetime(outgoing.expires, clock::wall()) {
            Some(seconds) => request.header(Name::Expires, seconds),
            None => request,
        }
    }

    async fn send(&self, device: &State, outgoing: &Outgoing) -> Result<Outcome, ClientError> {
        let response = device
            .exchange("message", device.ids(), |ids| {
                self.request(device, outgoing, ids)
            })
            .await?;
        if let (Some(progress), Some(200..=299)) = (&outgoing.progress, response.code()) {
            progress(self.body.len() as u64, self.body.len() as u64);
        }
        Ok(outcome(
            response.code().unwrap_or_default(),
            response.reason(),
        ))
    }
}

/// A message through a channel of its own.
struct Call<'a> {
    device: &'a Rc<State>,
    outgoing: &'a Outgoing,
    id: &'a str,
}

impl<'a> Call<'a> {
    fn new(device: &'a Rc<State>, outgoing: &'a Outgoing, id: &'a str) -> Self {
        Self {
            device,
            outgoing,
            id,
        }
    }

    async fn run(&self) -> Result<Outcome, ClientError> {
        let prospect = media::prospect(self.device);
        let offer = Bytes::from(sdp::offer(&prospect.local));
        let (recipient, mut news) = listen();
        let options = self.options(offer.clone());
        let handle = Dialog::invite(&self.device.host.endpoint, options, recipient)
            .map_err(|_| ClientError::Connection("channel"))?;
        let line = Line::new(handle, offer);
        let response = match self.answer(&mut news).await? {
            Ok(response) => response,
            Err(refusal) => return Ok(refusal),
        };
        let remote = media::answered(&response)?;
        let role = sdp::offerer_role(prospect.local.media.setup, &remote);
        let (session, mut events) = media::open(self.device, prospect.id, &remote, role).await?;
        *line.session.borrow_mut() = Some(session.clone());

        let (content_type, source) = match self.source(&remote).await? {
            Ok(source) => source,
            Err(refusal) => return Ok(refusal),
        };
        let message_id = match request::is_ident(self.id) {
            true => self.id.to_owned(),
            false => net::random_token(16),
        };
        let mut transfer =
            Transfer::new(&session, self.device.config(), &message_id, &content_type);
        transfer.success_report = self.outgoing.success_report;
        transfer.progress = self.outgoing.progress.as_ref();
        let sent = tokio::select! {
            biased;
            sent = transfer.run(source, &mut events) => sent,
            () = news.until_end(&line) => Err(Failure::Lost),
        };
        match sent {
            Ok(()) if is_automaton(&response) => Ok(Outcome::Stored),
            Ok(()) => Ok(Outcome::Delivered),
            Err(failure) => self.failed(failure),
        }
    }

    fn options(&self, offer: Bytes) -> InviteOptions {
        let device = self.device;
        let contact = format!("<{}>;{};{}", device.contact, feature::IM, feature::IM_LARGE);
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
    async fn source(
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

    fn failed(&self, failure: Failure) -> Result<Outcome, ClientError> {
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

/// The Request-URI.
fn uri(outgoing: &Outgoing) -> &str {
    outgoing
        .request_uri
        .as_deref()
        .unwrap_or(outgoing.to.as_str())
}

/// A refusal on the channel, in the words of MSRP.
fn refused(code: u16) -> Outcome {
    Outcome::Refused {
        code,
        reason: msrp::Status::of(code).comment,
    }
}

fn unreadable(outgoing: &Outgoing, source: std::io::Error) -> ClientError {
    let path = match &outgoing.content {
        Content::File(path) => path.clone(),
        Content::Bytes(_) => std::path::PathBuf::new(),
    };
    ClientError::Read { path, source }
}

/// Whether a machine answered: a server that keeps the message.
fn is_automaton(response: &Message) -> bool {
    let contact = response.value(Name::Contact).unwrap_or_default();
    let parameters = contact
        .split_once('>')
        .map_or("", |(_, parameters)| parameters);
    feature::has_flag(parameters, feature::AUTOMATA)
}
