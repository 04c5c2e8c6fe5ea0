use super::Services;
use crate::{
    content::cpim::CpimHead,
    deferred::{Deposit, Refusal},
    msrp::{
        Assembly, AssemblyError, ByteRange, ChunkToken, Continuation, Head, Progress,
        actor::{SessionEvent, SessionHandle},
        assembly::Cursor,
    },
    overload::Class,
    participating::facts::{Item, Origin},
    trail,
};
use bytes::{Bytes, BytesMut};
use std::{
    cell::Cell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};
use tracing::Instrument;

mod goal;

pub(super) use goal::{Goal, NotTaken};

/// Holes that one message may have while it comes in out of order.
const MAX_GAPS: usize = 256;

/// Keeps the messages that one channel brings: for a receiver who is away, or for a group.
///
/// A chunk is answered 200 when it is taken in; the one that completes a message only when the
/// message is on disk.
pub(super) struct Keeper {
    services: Rc<Services>,
    session: SessionHandle,
    goal: Rc<Goal>,
    /// No message has begun yet.
    is_new: Cell<bool>,
    messages: HashMap<String, Receiving>,
    chunks: HashMap<ChunkToken, Chunk>,
}

/// One message on its way in.
struct Receiving {
    /// What it tells itself, where that is not what the channel tells.
    origin: Option<Origin>,
    deposit: Deposit,
    assembly: Assembly,
    /// The first octets, where a CPIM header would stand.
    prefix: BytesMut,
    content_type: String,
    success_report: bool,
}

/// One chunk on its way in.
struct Chunk {
    message_id: String,
    state: Result<Cursor, u16>,
}

/// Why a chunk is not taken, as an MSRP status.
type Status = u16;

impl Keeper {
    pub fn new(services: Rc<Services>, session: SessionHandle, goal: Goal) -> Self {
        Self {
            services,
            session,
            goal: Rc::new(goal),
            is_new: Cell::new(true),
            messages: HashMap::new(),
            chunks: HashMap::new(),
        }
    }

    /// Whether a message has come in part only.
    pub fn is_busy(&self) -> bool {
        !self.messages.is_empty()
    }

    pub async fn take(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Head(inbound) => self.begin(inbound.chunk, &inbound.head).await,
            SessionEvent::Body(token, octets) => self.body(token, octets).await,
            SessionEvent::End(token, flag) => self.end(token, flag).await,
            // nothing is sent on this channel, so nothing comes back
            _ => {}
        }
    }

    async fn begin(&mut self, token: ChunkToken, head: &Head) {
        let message_id = head.message_id().unwrap_or_default().to_owned();
        let state = self.open(&message_id, head).await;
        self.chunks.insert(token, Chunk { message_id, state });
    }

    async fn open(&mut self, message_id: &str, head: &Head) -> Result<Cursor, Status> {
        let range = head.byte_range().map_err(|_| 400u16)?;
        if !self.messages.contains_key(message_id) {
            let message = self.admit(head, range).await.map_err(|refusal| {
                self.services.metrics.refused(refusal.kind());
                refusal.msrp_status()
            })?;
            self.messages.insert(message_id.to_owned(), message);
        }
        let message = self.messages.get_mut(message_id).ok_or(400u16)?;
        let opened = message.assembly.begin(range);
        opened.map_err(|error| AssemblyError::status(&error))
    }

    async fn admit(&self, head: &Head, range: Option<ByteRange>) -> Result<Receiving, NotTaken> {
        if self.messages.len() >= self.services.config.max_interleaved {
            return Err(Refusal::Busy("participating.max_interleaved").into());
        }
        let deferred = &self.services.deferred;
        let total = range.and_then(|range| range.total);
        // what only shows who is at the other end costs nothing
        if total != Some(0) {
            self.let_in(head)?;
        }
        let reservation = self.goal.reserve(&self.services, total).await?;
        let is_first = self.is_new.replace(false);
        Ok(Receiving {
            origin: self.goal.of_message(head, is_first),
            deposit: deferred.begin(reservation),
            assembly: Assembly::new(deferred.config().max_message.as_u64(), MAX_GAPS),
            prefix: BytesMut::new(),
            content_type: head.content_type().unwrap_or_default().to_owned(),
            success_report: head.success_report(),
        })
    }

    /// Whether one more message may begin, as far as the store and the memory go.
    fn let_in(&self, head: &Head) -> Result<(), Refusal> {
        let mut hasher = DefaultHasher::new();
        head.message_id().hash(&mut hasher);
        let (valve, chance) = (&self.services.valve, (hasher.finish() >> 32) as u32);
        valve.admit_message(chance).map_err(|reason| {
            valve.metrics().refused(Class::New, reason);
            Refusal::Busy(reason.limit())
        })
    }

    async fn body(&mut self, token: ChunkToken, octets: Bytes) {
        let Some(chunk) = self.chunks.get_mut(&token) else {
            return;
        };
        let (Ok(cursor), Some(message)) =
            (&mut chunk.state, self.messages.get_mut(&chunk.message_id))
        else {
            return;
        };
        let written = match message.assembly.place(cursor, octets.len()) {
            Ok(offset) => message.write(offset, octets).await,
            Err(error) => Err(error.status()),
        };
        if let Err(status) = written {
            chunk.state = Err(status);
        }
    }

    async fn end(&mut self, token: ChunkToken, flag: Continuation) {
        let Some(Chunk { message_id, state }) = self.chunks.remove(&token) else {
            return;
        };
        let progress = match (state, self.messages.get_mut(&message_id)) {
            (Ok(cursor), Some(message)) => message
                .assembly
                .end(cursor, flag)
                .map_err(|error| error.status()),
            (Ok(_), None) => Err(413),
            (Err(status), _) => Err(status),
        };
        match progress {
            Ok(Progress::Incomplete) => self.session.respond(token, 200),
            Ok(Progress::Aborted) => {
                self.messages.remove(&message_id);
                self.session.respond(token, 200);
            }
            Ok(Progress::Complete { total }) => {
                if let Some(message) = self.messages.remove(&message_id) {
                    self.commit(token, message_id, message, total);
                }
            }
            Err(status) => {
                // what came of it is given back; nothing half-received is ever delivered
                self.messages.remove(&message_id);
                self.session.respond(token, status);
            }
        }
    }

    /// Makes a whole message durable and only then answers. Several may be on their way at once;
    /// they reach the writer in the order in which they were completed.
    fn commit(&self, token: ChunkToken, message_id: String, message: Receiving, total: u64) {
        let (services, session) = (self.services.clone(), self.session.clone());
        let goal = self.goal.clone();
        let kept = async move {
            let wants_report = message.success_report;
            match message.complete(&services, &goal, &message_id, total).await {
                Ok(()) => {
                    services.metrics.kept_channel.increment(1);
                    session.respond(token, 200);
                    if wants_report {
                        // a sender that has gone needs no report
                        let _ = session.success_report(&message_id, ByteRange::whole(total));
                    }
                }
                Err(refusal) => {
                    services.metrics.refused(refusal.kind());
                    tracing::debug!(target: trail::TARGET, message_id, reason = %refusal, "message not kept");
                    session.respond(token, refusal.msrp_status());
                }
            }
        };
        actix_rt::spawn(kept.in_current_span());
    }
}

impl Receiving {
    async fn write(&mut self, offset: u64, octets: Bytes) -> Result<(), Status> {
        let known = self.prefix.len();
        if offset == known as u64 && known < CpimHead::LIMIT {
            let wanted = octets.len().min(CpimHead::LIMIT - known);
            self.prefix.extend_from_slice(&octets[..wanted]);
        }
        let written = self.deposit.write(offset, octets).await;
        written.map_err(|refusal| refusal.msrp_status())
    }

    async fn complete(
        self,
        services: &Services,
        goal: &Goal,
        message_id: &str,
        total: u64,
    ) -> Result<(), NotTaken> {
        let item = Item {
            message_id,
            content_type: &self.content_type,
            size: total,
            success_report: self.success_report,
            prefix: &self.prefix,
        };
        let own = self.origin.as_ref();
        goal.complete(services, self.deposit, &item, own).await
    }
}
