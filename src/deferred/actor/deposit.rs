use super::{Deferred, intake::check_message_id};
use crate::{
    clock::{self, Timestamp},
    deferred::{
        ContentId, Facts, PIECE, Refusal, Reservation, Stored, content::pieces, extent::Extents,
        keys,
    },
    store::Table,
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
        self.reservation.grow(end, self.function.config())?;
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
            && let Some(piece) = self.function.piece(content, index).await?
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
                let content = ledger.new_content()?;
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
        if self.is_interrupted {
            return Err(Refusal::Interrupted);
        }
        check_message_id(&facts.message_id)?;
        self.extents.check(total)?;
        debug_assert!(self.index < pieces(total).max(1));
        let facts = Facts {
            size: total,
            recipient: self.reservation.recipient().clone(),
            ..facts
        };
        let recipient = facts.recipient.clone();
        let (known, started, index) = (self.content, self.started, self.index);
        let piece = self.buffer.split().freeze();
        let now = clock::wall();
        // if this future is dropped from here on, the message may be stored all the same
        self.is_stored = true;
        let outcome = self
            .function
            .durable(piece.len(), now, move |ledger| {
                let content = known.map_or_else(|| ledger.new_content(), Ok)?;
                let stored = ledger.deposit(facts, content, started)?;
                if matches!(stored, Ok(stored) if !stored.duplicate) {
                    ledger.txn.delete(Table::Receiving, keys::content(content));
                    if !piece.is_empty() {
                        ledger
                            .txn
                            .put(Table::Content, keys::piece(content, index), piece);
                    }
                }
                Ok(stored)
            })
            .await
            .map_err(Refusal::from)
            .flatten();
        self.is_stored = matches!(outcome, Ok(stored) if !stored.duplicate);
        if self.is_stored {
            self.function.0.chores.changed(&recipient, true);
        }
        outcome
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
