use crate::{
    deferred::Transfer,
    msrp::{Head, OutgoingId},
};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// The messages of one channel that are on their way out, and the chunks they travel in.
#[derive(Default)]
pub(super) struct Underway {
    messages: VecDeque<Message>,
    chunks: HashMap<OutgoingId, Chunk>,
    octets: usize,
}

/// One message on its way.
struct Message {
    transfer: Transfer,
    /// Those that travel in it beside the first.
    others: Vec<Transfer>,
    /// Message-ID on the wire.
    message_id: Bytes,
    unanswered: usize,
    is_sent: bool,
    needs_report: bool,
}

/// One chunk that waits for its answer.
struct Chunk {
    sequence: u64,
    octets: usize,
}

/// A message that its receiver would not have.
pub(super) struct Refused {
    pub transfer: Transfer,
    /// Those that travelled in it beside the first.
    pub others: Vec<Transfer>,
    pub code: u16,
}

/// Chunks that may wait for their answers, however small they are.
const MOST_CHUNKS: usize = 64;

impl Underway {
    /// Whether everything that was sent is answered.
    pub fn is_settled(&self) -> bool {
        self.messages.is_empty() && self.chunks.is_empty()
    }

    /// Whether a chunk of `octets` may go within a window of so many octets.
    pub fn has_room(&self, octets: usize, window: usize) -> bool {
        let is_alone = self.chunks.is_empty();
        is_alone || (self.octets + octets <= window && self.chunks.len() < MOST_CHUNKS)
    }

    /// A message begins to be sent.
    pub fn begin(&mut self, transfer: Transfer, message_id: Bytes, needs_report: bool) {
        self.begin_joined((transfer, Vec::new()), message_id, needs_report);
    }

    /// Several begin to be sent as one message, which goes by the sequence of the first.
    pub fn begin_joined(
        &mut self,
        (transfer, others): (Transfer, Vec<Transfer>),
        message_id: Bytes,
        needs_report: bool,
    ) {
        self.messages.push_back(Message {
            transfer,
            others,
            message_id,
            unanswered: 0,
            is_sent: false,
            needs_report,
        });
    }

    /// A chunk of the message with `sequence` went out.
    pub fn sent(&mut self, sequence: u64, chunk: OutgoingId, octets: usize) {
        self.chunks.insert(chunk, Chunk { sequence, octets });
        self.octets += octets;
        if let Some(message) = self.message(sequence) {
            message.unanswered += 1;
        }
    }

    /// All chunks of the message with `sequence` went out.
    pub fn all_sent(&mut self, sequence: u64) {
        if let Some(message) = self.message(sequence) {
            message.is_sent = true;
        }
    }

    pub fn has(&self, sequence: u64) -> bool {
        let mut messages = self.messages.iter();
        messages.any(|one| one.sequence() == sequence)
    }

    /// A chunk was answered. Gives the message up if that was a refusal.
    pub fn answered(&mut self, chunk: OutgoingId, code: u16) -> Option<Refused> {
        let Chunk { sequence, octets } = self.chunks.remove(&chunk)?;
        self.octets -= octets;
        let message = self.message(sequence)?;
        message.unanswered -= 1;
        match code {
            200 => None,
            code => self.give_up(sequence, code),
        }
    }

    /// A report came. Gives the message up if it says that it did not arrive.
    pub fn reported(&mut self, head: &Head) -> Option<Refused> {
        let (id, status) = (head.message_id()?, head.status()?);
        let mut messages = self.messages.iter_mut();
        let message = messages.find(|one| one.message_id == id.as_bytes())?;
        match status.code {
            200 => {
                message.needs_report = false;
                None
            }
            code => {
                let sequence = message.sequence();
                self.give_up(sequence, code)
            }
        }
    }

    /// Takes out what has arrived for certain.
    pub fn arrived(&mut self) -> Vec<Transfer> {
        if !self.messages.iter().any(Message::has_arrived) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.messages).into_iter();
        let (arrived, rest): (VecDeque<_>, VecDeque<_>) = all.partition(Message::has_arrived);
        self.messages = rest;
        let arrived = arrived.into_iter();
        arrived
            .flat_map(|one| std::iter::once(one.transfer).chain(one.others))
            .collect()
    }

    fn give_up(&mut self, sequence: u64, code: u16) -> Option<Refused> {
        let mut messages = self.messages.iter();
        let at = messages.position(|one| one.sequence() == sequence)?;
        let Message {
            transfer, others, ..
        } = self.messages.remove(at)?;
        Some(Refused {
            transfer,
            others,
            code,
        })
    }

    fn message(&mut self, sequence: u64) -> Option<&mut Message> {
        // answers come in the order of sending, mostly
        let mut messages = self.messages.iter_mut();
        messages.find(|one| one.sequence() == sequence)
    }
}

impl Message {
    fn sequence(&self) -> u64 {
        self.transfer.envelope().sequence
    }

    fn has_arrived(&self) -> bool {
        self.is_sent && self.unanswered == 0 && !self.needs_report
    }
}
