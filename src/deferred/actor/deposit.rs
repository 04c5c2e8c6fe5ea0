use super::{Deferred, intake::check_message_id};
use crate::{
    clock::{self, Timestamp},
    deferred::{
        ContentId, Facts, PIECE, Refusal, Reservation, Stored,
        content::pieces,
        extent::Extents,
        keys,
        ledger::{Arrival, Deposited, Ledger},
        record::{Body, COPIED, INLINE},
    },
    store::{StoreError, Table},
};
use bytes::{Bytes, BytesMut};

/// One message being received. Its octets go to disk piece by piece; it becomes visible as a
/// whole or not at all. Dropped before it is complete, it leaves nothing and gives its room back.
pub struct Deposit {
    function: Deferred,
    reservation: Reservation,
    started: Timestamp,
    extents: Extents,
    /// The content on disk, from the first full piece on.
    content: Option<ContentId>,
    /// The piece in memory.
    index: u32,
    buffer: BytesMut,
    /// No piece from this on is on disk.
    next_new: u32,
    /// An operation is under way; it stays so if its future is dropped in the middle.
    is_interrupted: bool,
    is_stored: bool,
}

impl Deposit {
    pub(super) fn new(function: Deferred, reservation: Reservation, started: Timestamp) -> Self {
        Self {
            function,
            reservation,
            started,
            extents: Extents::default(),
            content: None,
            index: 0,
            buffer: BytesMut::new(),
            next_new: 0,
            is_interrupted: false,
            is_stored: false,
        }
    }

    /// For whom and from whom.
    pub fn reservation(&self) -> &Reservation {
        &self.reservation
    }

    /// End of the octets received so far.
    pub fn end(&self) -> u64 {
        self.extents.end()
    }

    /// Receives octets at `offset`, counted from 0, in any order. Octets that came before are
    /// replaced.
    ///
    /// Errors: `TooLarge`, `Full` or `Scattered` if the message outgrows its bounds, `Store`;
    /// then the deposit is to be dropped.
    pub async fn write(&mut self, offset: u64, octets: Bytes) -> Result<(), Refusal> {
        if self.is_interrupted {
            return Err(Refusal::Interrupted);
        }
        let end = offset.saturating_add(octets.len() as u64);
        self.reservation.grow(end)?;
        self.extents.book(offset, end)?;
        self.is_interrupted = true;
        let mut rest = octets;
        let mut at = offset;
        while !rest.is_empty() {
            let index = u32::try_from(at / PIECE as u64).unwrap_or(u32::MAX);
            let within = (at % PIECE as u64) as usize;
            let part = rest.split_to(rest.len().min(PIECE - within));
            self.turn_to(index).await?;
            patch(&mut self.buffer, within, &part);
            at += part.len() as u64;
        }
        self.is_interrupted = false;
        Ok(())
    }

    /// Makes `index` the piece in memory.
    async fn turn_to(&mut self, index: u32) -> Result<(), Refusal> {
        if index == self.index {
            return Ok(());
        }
        self.flush().await?;
        self.index = index;
        if let Some(content) = self.content
            && index < self.next_new
            && let Some(piece) = self.function.stored_piece(content, index).await?
        {
            self.buffer.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Writes the piece in memory, without a sync of its own.
    async fn flush(&mut self) -> Result<(), Refusal> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let index = self.index;
        let piece = self.buffer.split().freeze();
        match self.content {
            Some(content) => self.put(content, piece).await?,
            None => self.content = Some(self.begin_content(piece).await?),
        }
        self.next_new = self.next_new.max(index + 1);
        Ok(())
    }

    async fn put(&self, content: ContentId, piece: Bytes) -> Result<(), Refusal> {
        let key = keys::piece(content, self.index);
        let put = self.function.relaxed(piece.len(), move |ledger| {
            ledger.txn.put(Table::Content, key, piece);
            Ok(())
        });
        Ok(put.await?)
    }

    /// Names the content and writes its first piece, with the mark that it is not complete.
    async fn begin_content(&self, piece: Bytes) -> Result<ContentId, Refusal> {
        let (function, index) = (self.function.clone(), self.index);
        // a task of its own: if the caller goes away meanwhile, the content is dropped
        let begin = async move {
            let begun = function.relaxed(piece.len(), move |ledger| {
                let content = ledger.run.new_content();
                let mark = keys::content(content);
                ledger.txn.put(Table::Receiving, mark, Bytes::new());
                let key = keys::piece(content, index);
                ledger.txn.put(Table::Content, key, piece);
                Ok(content)
            });
            let content = begun.await?;
            Ok::<_, Refusal>(Begun {
                content: Some(content),
                function,
            })
        };
        let begun = tokio::spawn(begin).await;
        let mut begun = begun.map_err(|_| Refusal::Interrupted)??;
        begun.content.take().ok_or(Refusal::Interrupted)
    }

    /// Stores the message durably with all that belongs to it, in one transaction.
    pub(super) async fn complete(mut self, facts: Facts, total: u64) -> Result<Stored, Refusal> {
        let facts = self.check(facts, total)?;
        let (now, index) = (clock::wall(), self.index);
        let piece = self.buffer.split().freeze();
        let content = match self.content {
            None if total <= INLINE => None,
            None => Some(self.function.0.run.new_content()),
            known => known,
        };
        let (body, piece) = match content {
            None => (Body::Inline(piece), Bytes::new()),
            Some(content) => (Body::Pieces(content), piece),
        };
        let arrival = Arrival::with(facts, body, (self.started, now), self.reservation.class());
        // if this future is dropped from here on, the message may be stored all the same
        self.is_stored = true;
        let octets = total.min(PIECE as u64) as usize;
        let outcome = self.function.durable(octets, now, move |ledger| {
            let deposited = ledger.deposit(arrival)?;
            if let (Ok(Deposited { stored }), Some(content)) = (&deposited, content)
                && !stored.duplicate
            {
                finish_content(ledger, content, index, piece);
            }
            Ok(deposited)
        });
        let outcome = outcome.await.map_err(Refusal::from).flatten();
        let outcome = outcome.map(|deposited| deposited.stored);
        self.is_stored = matches!(outcome, Ok(stored) if !stored.duplicate);
        outcome
    }

    /// Stores the message durably for several recipients, its content once for all of them.
    pub(super) async fn complete_for(
        mut self,
        recipients: Vec<(Reservation, Facts)>,
        total: u64,
    ) -> Result<Vec<Result<Stored, Refusal>>, Refusal> {
        if self.is_interrupted {
            return Err(Refusal::Interrupted);
        }
        self.extents.check(total)?;
        let (now, index, started) = (clock::wall(), self.index, self.started);
        let piece = self.buffer.split().freeze();
        let known = self.content;
        let copy = (known.is_none() && total <= COPIED).then(|| piece.clone());
        let content = known.unwrap_or_else(|| self.function.0.run.new_content());
        let body = copy.clone().map_or(Body::Shared(content), Body::Inline);
        let mut arrivals = Vec::with_capacity(recipients.len());
        for (reservation, facts) in &recipients {
            let facts = Facts {
                size: total,
                recipient: reservation.recipient().clone(),
                ..facts.clone()
            };
            check_message_id(&facts.message_id)?;
            let times = (started, now);
            arrivals.push(Arrival::with(
                facts,
                body.clone(),
                times,
                reservation.class(),
            ));
        }
        self.is_stored = true;
        let octets = piece.len() + 512 * arrivals.len();
        let outcome = self.function.durable(octets, now, move |ledger| {
            if copy.is_some() {
                let stored = arrivals.into_iter().map(|arrival| {
                    let deposited = ledger.deposit(arrival)?;
                    Ok(deposited.map(|deposited| deposited.stored))
                });
                return stored.collect::<Result<Vec<_>, StoreError>>();
            }
            let outcomes = ledger.deposit_shared(arrivals, content)?;
            if outcomes.iter().any(is_new) {
                finish_content(ledger, content, index, piece);
            }
            Ok(outcomes)
        });
        let outcomes = outcome.await.map_err(Refusal::from);
        self.is_stored = matches!(&outcomes, Ok(outcomes) if outcomes.iter().any(is_new));
        drop(recipients);
        outcomes
    }

    /// The facts of a message that is complete.
    fn check(&self, facts: Facts, total: u64) -> Result<Facts, Refusal> {
        if self.is_interrupted {
            return Err(Refusal::Interrupted);
        }
        check_message_id(&facts.message_id)?;
        self.extents.check(total)?;
        debug_assert!(self.index < pieces(total).max(1));
        Ok(Facts {
            size: total,
            recipient: self.reservation.recipient().clone(),
            ..facts
        })
    }
}

fn is_new(outcome: &Result<Stored, Refusal>) -> bool {
    matches!(outcome, Ok(stored) if !stored.duplicate)
}

/// The last piece of a content, and with it the content is whole.
fn finish_content(ledger: &mut Ledger<'_, '_>, content: ContentId, index: u32, piece: Bytes) {
    if index > 0 {
        let mark = keys::content(content);
        ledger.txn.delete(Table::Receiving, mark);
    }
    if !piece.is_empty() {
        let key = keys::piece(content, index);
        ledger.txn.put(Table::Content, key, piece);
    }
}

impl Drop for Deposit {
    fn drop(&mut self) {
        if self.is_stored {
            return;
        }
        self.function.0.metrics.abandoned.increment(1);
        if let Some(content) = self.content {
            self.function.0.chores.remove(content);
        }
    }
}

/// A content that nobody has taken over yet.
struct Begun {
    content: Option<ContentId>,
    function: Deferred,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(content) = self.content {
            self.function.0.chores.remove(content);
        }
    }
}

/// Lays `part` over `piece` at `at`; a hole before it is zeros until its octets come.
fn patch(piece: &mut BytesMut, at: usize, part: &[u8]) {
    let end = at + part.len();
    if piece.len() < end {
        piece.resize(end, 0);
    }
    piece[at..end].copy_from_slice(part);
}
