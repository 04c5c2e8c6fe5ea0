use super::{
    Services,
    inflow::{Arrivals, Batch},
};
use crate::{
    deferred::{Envelope, Transfer},
    identity::Address,
    msrp::{
        ByteRange, Continuation, FailureReport, Head, OutgoingHead, OutgoingId,
        actor::{CloseReason, SendError, SessionEvent, SessionHandle},
    },
    participating::wrapping::{Wrapping, wrap},
    sdp::MessageMedia,
};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

/// Hands waiting messages over through one channel, several of them on their way at a time.
///
/// A message is removed only when the receiver's side has answered 200 to each of its chunks and,
/// where relays stand in between, its success report has come. Whatever is left when the channel
/// breaks waits again.
pub(super) struct Handover {
    services: Rc<Services>,
    session: SessionHandle,
    arrivals: Arrivals,
    accept_types: Vec<String>,
    /// Relays answer 200 for themselves: only a report tells that the receiver has it.
    relayed: bool,
    underway: VecDeque<Underway>,
    chunks: HashMap<OutgoingId, u64>,
    pub tally: Tally,
}

/// What came of the messages so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub delivered: u64,
    pub refused: u64,
}

/// One message on its way out.
struct Underway {
    transfer: Transfer,
    /// Message-ID on the wire.
    message_id: Bytes,
    unanswered: usize,
    is_sent: bool,
    needs_report: bool,
}

/// The channel can carry no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("channel closed ({})", .0.kind())]
    Closed(CloseReason),
    #[error("channel is gone")]
    Gone,
    #[error("nothing moved for `participating.idle_timeout`")]
    Idle,
    #[error("store: {0}")]
    Store(&'static str),
}

impl Handover {
    /// Sends to the `reader` that was agreed on, over `session`.
    pub fn new(
        services: Rc<Services>,
        session: SessionHandle,
        arrivals: Arrivals,
        reader: MessageMedia,
    ) -> Self {
        Self {
            services,
            session,
            arrivals,
            relayed: reader.is_relayed(),
            accept_types: reader.accept_types,
            underway: VecDeque::new(),
            chunks: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Waits until the device has connected.
    pub async fn bound(&mut self) -> Result<(), Broken> {
        while !self.session.is_bound() {
            self.progress().await?;
        }
        Ok(())
    }

    /// Begins to send one message; returns when all its chunks are on their way.
    pub async fn send(&mut self, envelope: &Envelope) -> Result<(), Broken> {
        let Some(wrapping) = wrap(envelope, &self.accept_types) else {
            self.tally.refused += 1;
            return Ok(());
        };
        let (recipient, sequence) = (&envelope.facts.recipient, envelope.sequence);
        let reason = "sent through a channel";
        let transfer = self.services.deferred.transfer(recipient, sequence, reason);
        // gone meanwhile, or on its way to another device
        let Some(transfer) = transfer.await.map_err(|_| Broken::Store("transfer"))? else {
            return Ok(());
        };
        let message_id = Bytes::copy_from_slice(envelope.facts.message_id.as_bytes());
        self.underway.push_back(Underway {
            transfer,
            message_id: message_id.clone(),
            unanswered: 0,
            is_sent: false,
            needs_report: self.relayed,
        });
        self.send_content(envelope, wrapping, message_id).await?;
        if let Some(message) = self.message(sequence) {
            message.is_sent = true;
        }
        self.settle().await
    }

    async fn send_content(
        &mut self,
        envelope: &Envelope,
        wrapping: Wrapping,
        message_id: Bytes,
    ) -> Result<(), Broken> {
        let prefix = wrapping.prefix.len() as u64;
        let total = prefix + envelope.facts.size;
        let pieces = envelope.pieces();
        let mut sent = 0;
        for index in 0..pieces.max(1) {
            let mut parts = Vec::with_capacity(2);
            if index == 0 && prefix > 0 {
                parts.push(wrapping.prefix.clone());
            }
            if pieces > 0 {
                let piece = self.services.deferred.piece(envelope.content, index).await;
                let piece = piece.map_err(|_| Broken::Store("piece"))?;
                parts.push(piece.ok_or(Broken::Store("a piece is missing"))?);
            }
            let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
            let mut head = OutgoingHead::new(message_id.clone(), wrapping.content_type.clone());
            head.byte_range = Some(ByteRange::after(sent, Some(sent + length), Some(total)));
            head.failure_report = FailureReport::Yes;
            head.success_report = self.relayed;
            let flag = match index + 1 >= pieces {
                true => Continuation::Complete,
                false => Continuation::MoreChunks,
            };
            self.send_chunk(envelope.sequence, head, &parts, flag)
                .await?;
            sent += length;
            if self.message(envelope.sequence).is_none() {
                // refused while it was being sent
                return Ok(());
            }
        }
        Ok(())
    }

    async fn send_chunk(
        &mut self,
        sequence: u64,
        head: OutgoingHead,
        parts: &[Bytes],
        flag: Continuation,
    ) -> Result<(), Broken> {
        while self.chunks.len() >= self.services.config.outbound_window {
            self.progress().await?;
        }
        loop {
            match self.session.send(head.clone(), parts, flag) {
                Ok(chunk) => {
                    self.chunks.insert(chunk, sequence);
                    if let Some(message) = self.message(sequence) {
                        message.unanswered += 1;
                    }
                    return Ok(());
                }
                Err(SendError::Closed) => return Err(Broken::Gone),
                Err(SendError::Full | SendError::NotBound) => self.progress().await?,
            }
        }
    }

    /// Sends all that waits for `owner`, page after page.
    pub async fn send_all(&mut self, owner: &Address) -> Result<(), Broken> {
        let services = self.services.clone();
        let mut after = 0;
        loop {
            let page = services
                .deferred
                .list(owner, after, services.config.list_page);
            let page = page.await.map_err(|_| Broken::Store("list"))?;
            for envelope in &page {
                self.send(envelope).await?;
                after = after.max(envelope.sequence);
            }
            self.finish().await?;
            if page.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits until everything that was sent is settled.
    pub async fn finish(&mut self) -> Result<(), Broken> {
        self.settle().await?;
        while !self.underway.is_empty() {
            self.progress().await?;
        }
        Ok(())
    }

    /// Waits for the next events of the channel and settles what they decide.
    async fn progress(&mut self) -> Result<(), Broken> {
        let idle = self.services.config.idle_timeout;
        let batch = tokio::time::timeout(idle, self.arrivals.next());
        let batch = batch.await.map_err(|_| Broken::Idle)?.ok_or(Broken::Gone)?;
        let closed = self.take(&batch);
        self.arrivals.done(&batch, &self.session);
        self.settle().await?;
        closed
    }

    fn take(&mut self, batch: &Batch) -> Result<(), Broken> {
        for event in &batch.events {
            match event {
                SessionEvent::Response { transaction, code } => self.answered(*transaction, *code),
                SessionEvent::Report(head) => self.reported(head),
                // the device may speak on its channel; what it says here is taken and dropped
                SessionEvent::End(chunk, _) => self.session.respond(*chunk, 200),
                SessionEvent::Closed(reason) => return Err(Broken::Closed(*reason)),
                _ => {}
            }
        }
        Ok(())
    }

    fn answered(&mut self, transaction: OutgoingId, code: u16) {
        let Some(sequence) = self.chunks.remove(&transaction) else {
            return;
        };
        let Some(message) = self.message(sequence) else {
            return;
        };
        message.unanswered -= 1;
        if code != 200 {
            self.refused(sequence, code);
        }
    }

    fn reported(&mut self, head: &Head) {
        let (Some(id), Some(status)) = (head.message_id(), head.status()) else {
            return;
        };
        let reported = self
            .underway
            .iter_mut()
            .find(|one| one.message_id == id.as_bytes());
        let Some(message) = reported else {
            return;
        };
        match status.code {
            200 => message.needs_report = false,
            code => {
                let sequence = message.transfer.envelope().sequence;
                self.refused(sequence, code);
            }
        }
    }

    /// The receiver would not have it: it waits again, and this channel does not try it twice.
    fn refused(&mut self, sequence: u64, code: u16) {
        let at = self
            .underway
            .iter()
            .position(|one| one.sequence() == sequence);
        let Some(message) = at.and_then(|at| self.underway.remove(at)) else {
            return;
        };
        self.tally.refused += 1;
        actix_rt::spawn(async move {
            let reason = format!("refused by the device ({code})");
            if let Err(error) = message.transfer.release(&reason).await {
                tracing::warn!(%error, "message not put back at once");
            }
        });
    }

    /// Confirms what has arrived for certain.
    async fn settle(&mut self) -> Result<(), Broken> {
        let mut arrived = Vec::new();
        for message in std::mem::take(&mut self.underway) {
            match message.is_sent && message.unanswered == 0 && !message.needs_report {
                true => arrived.push(message.transfer.confirm("200 from the device")),
                false => self.underway.push_back(message),
            }
        }
        let count = arrived.len() as u64;
        for confirmed in futures_util::future::join_all(arrived).await {
            confirmed.map_err(|_| Broken::Store("confirm"))?;
        }
        self.tally.delivered += count;
        self.services.metrics.handed_channel.increment(count);
        Ok(())
    }

    fn message(&mut self, sequence: u64) -> Option<&mut Underway> {
        self.underway
            .iter_mut()
            .find(|one| one.sequence() == sequence)
    }
}

impl Underway {
    fn sequence(&self) -> u64 {
        self.transfer.envelope().sequence
    }
}
