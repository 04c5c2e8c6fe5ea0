//! Receives the messages of one MSRP session: octets are put in order, unwrapped, hashed and made
//! safe before they are confirmed.
use super::{pipe::Events, spool::Spool, state::State};
use crate::{
    client::{
        inbox::{Body, Channel, Received},
        receiving::{Complete, Receiving},
    },
    clock::Timestamp,
    content::{cpim::Dispositions, deferred_list::DeferredList},
    identity::Address,
    msrp::{
        ByteRange, ChunkToken, Continuation, Head,
        actor::{SessionEvent, SessionHandle},
    },
    net,
    profile::{mime, psi},
};
use bytes::Bytes;
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};
use tokio::{sync::mpsc, time::timeout};

/// One session the device receives on.
pub(super) struct Reception {
    device: Rc<State>,
    session: SessionHandle,
    /// Who sends, as far as signalling tells.
    sender: Option<Address>,
    messages: HashMap<String, Partial>,
    chunks: HashMap<ChunkToken, Chunk>,
    /// Messages given up here, whose other chunks are still on their way.
    refused: HashSet<String>,
    delivered: usize,
    /// Who asked for lists over this session.
    listener: Option<mpsc::UnboundedSender<Said>>,
}

/// What the deferred function says over its channel beside the messages.
pub(super) enum Said {
    List(DeferredList),
    /// A request of ours was refused.
    Refusal(u16),
}

/// A SEND on its way in.
struct Chunk {
    message: Option<String>,
    offset: u64,
    success_report: bool,
}

/// A message on its way in.
struct Partial {
    content_type: String,
    receiving: Receiving,
    spool: Spool,
    total: Option<u64>,
}

/// Messages of one session that may be incomplete at a time.
const MOST_MESSAGES: usize = 16;

impl Reception {
    pub fn new(device: Rc<State>, session: SessionHandle, sender: Option<Address>) -> Self {
        Self {
            device,
            session,
            sender,
            messages: HashMap::new(),
            chunks: HashMap::new(),
            refused: HashSet::new(),
            delivered: 0,
            listener: None,
        }
    }

    /// Lists that come in, and refusals, go to `listener`.
    pub fn listen(&mut self, listener: mpsc::UnboundedSender<Said>) {
        self.listener = Some(listener);
    }

    /// Works until the session ends or is silent for too long; returns how many messages came in,
    /// duplicates included.
    pub async fn run(mut self, mut events: Events) -> usize {
        let patience = self.device.config().idle_timeout;
        while let Ok(Some(event)) = timeout(patience, events.next(&self.session)).await {
            if !self.work(event).await {
                break;
            }
        }
        self.session.close();
        self.delivered
    }

    /// Works until the session ends, which is another's to decide.
    pub async fn attend(mut self, mut events: Events) {
        while let Some(event) = events.next(&self.session).await {
            if !self.work(event).await {
                return;
            }
        }
    }

    /// Works on one event; says whether there may be more.
    async fn work(&mut self, event: SessionEvent) -> bool {
        match event {
            SessionEvent::Head(inbound) => self.open(inbound.chunk, &inbound.head),
            SessionEvent::Body(token, octets) => self.take(token, octets).await,
            SessionEvent::End(token, flag) => self.end(token, flag).await,
            SessionEvent::Response { code, .. } if code != 200 => self.tell(Said::Refusal(code)),
            SessionEvent::Closed(_) => return false,
            _ => {}
        }
        true
    }

    fn tell(&self, said: Said) {
        if let Some(listener) = &self.listener {
            // who gave up listening wants to know nothing
            let _ = listener.send(said);
        }
    }

    fn open(&mut self, token: ChunkToken, head: &Head) {
        let range = head.byte_range().ok().flatten();
        let mut chunk = Chunk {
            message: None,
            offset: range.map_or(0, |range| range.offset()),
            success_report: head.success_report(),
        };
        if let (true, Some(id)) = (head.has_body(), head.message_id()) {
            // a new attempt starts at the first octet
            let given_up = self.refused.contains(id) && chunk.offset > 0;
            let crowded = !self.messages.contains_key(id) && self.messages.len() >= MOST_MESSAGES;
            if given_up || crowded {
                return self.session.respond(token, 413);
            }
            self.refused.remove(id);
            let partial = self.messages.entry(id.to_owned()).or_insert_with(|| {
                let content_type = head.content_type().unwrap_or(mime::TEXT).to_owned();
                Partial {
                    receiving: Receiving::new(mime::is(&content_type, mime::CPIM)),
                    spool: Spool::new(self.device.config(), &net::random_token(16)),
                    content_type,
                    total: None,
                }
            });
            partial.total = partial.total.or(range.and_then(|range| range.total));
            chunk.message = Some(id.to_owned());
        }
        self.chunks.insert(token, chunk);
    }

    async fn take(&mut self, token: ChunkToken, octets: Bytes) {
        let Some(chunk) = self.chunks.get_mut(&token) else {
            return;
        };
        let offset = chunk.offset;
        chunk.offset += octets.len() as u64;
        let partial = chunk
            .message
            .as_ref()
            .and_then(|id| self.messages.get_mut(id));
        let Some(partial) = partial else {
            return;
        };
        let mut ready = Vec::new();
        let taken = partial.receiving.take(offset, octets, &mut ready);
        let written = partial.spool.write(&mut ready).await;
        match (taken, written) {
            (Ok(()), Ok(())) => {}
            (Err(error), _) => self.refuse(token, error.status()),
            (_, Err(error)) => {
                tracing::warn!(%error, "cannot spool a received message");
                self.refuse(token, 413);
            }
        }
    }

    /// Ends a chunk: it is answered when its octets, or the whole message, are safe.
    async fn end(&mut self, token: ChunkToken, flag: Continuation) {
        let Some(chunk) = self.chunks.remove(&token) else {
            return;
        };
        let Some(id) = chunk.message.filter(|id| self.messages.contains_key(id)) else {
            return self.session.respond(token, 200);
        };
        if flag == Continuation::Aborted {
            self.messages.remove(&id);
            return self.session.respond(token, 200);
        }
        let complete = self.messages.get_mut(&id).is_some_and(|partial| {
            if flag == Continuation::Complete {
                partial.total = Some(chunk.offset);
            }
            partial.total == Some(partial.receiving.position())
        });
        if !complete {
            return self.session.respond(token, 200);
        }
        let Some(partial) = self.messages.remove(&id) else {
            return;
        };
        let total = partial.receiving.position();
        match self.deliver(&id, partial).await {
            Ok(()) => {
                self.session.respond(token, 200);
                if chunk.success_report {
                    let range = ByteRange::whole(total);
                    // a session that is gone will deliver again
                    let _ = self.session.success_report(&id, range);
                }
            }
            Err(code) => self.session.respond(token, code),
        }
    }

    async fn deliver(&mut self, id: &str, partial: Partial) -> Result<(), u16> {
        let Partial {
            content_type,
            receiving,
            mut spool,
            total,
        } = partial;
        let mut rest = Vec::new();
        let complete = receiving
            .finish(total, &mut rest)
            .map_err(|error| error.status())?;
        let slot = self.device.reserve().ok_or(413u16)?;
        let body = async {
            spool.write(&mut rest).await?;
            spool.finish().await
        };
        let body = body.await.map_err(|error| {
            tracing::warn!(%error, "cannot spool a received message");
            413u16
        })?;
        if let (Some(_), Body::Bytes(octets)) = (&self.listener, &body)
            && mime::is(&content_type, mime::DEFERRED_LIST)
        {
            let list = DeferredList::parse(octets).map_err(|_| 400u16)?;
            self.tell(Said::List(list));
            return Ok(());
        }
        let received = describe(
            &complete,
            &content_type,
            id,
            self.sender.clone(),
            body,
            Channel::Msrp,
        );
        self.delivered += 1;
        self.device
            .deliver(slot, received, complete.head.as_deref());
        Ok(())
    }

    fn refuse(&mut self, token: ChunkToken, code: u16) {
        if let Some(id) = self.chunks.remove(&token).and_then(|chunk| chunk.message) {
            self.messages.remove(&id);
            self.refused.insert(id);
        }
        self.session.respond(token, code);
    }
}

/// A message as the application sees it: what its wrapper says comes before what signalling says.
pub(super) fn describe(
    complete: &Complete,
    content_type: &str,
    id: &str,
    sender: Option<Address>,
    body: Body,
    channel: Channel,
) -> Received {
    let head = complete.head.as_ref();
    let told = head.and_then(|head| head.from());
    let named = told
        .filter(|uri| uri != psi::ANONYMOUS)
        .and_then(|uri| Address::parse(&uri).ok());
    let date = head.and_then(|head| head.date_time());
    Received {
        from: named.or(sender),
        message_id: head
            .and_then(|head| head.message_id())
            .map_or_else(|| id.to_owned(), |id| id.into_owned()),
        date: date.and_then(|date| Timestamp::parse_rfc3339(&date).ok()),
        content_type: head.map_or_else(
            || content_type.to_owned(),
            |head| head.content_type().into_owned(),
        ),
        subject: head
            .and_then(|head| head.subject())
            .map(|subject| subject.into_owned()),
        size: complete.size,
        sha256: complete.sha256,
        body,
        channel,
        dispositions: head.map_or_else(Dispositions::default, |head| head.dispositions()),
    }
}
