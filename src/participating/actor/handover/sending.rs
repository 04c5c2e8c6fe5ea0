use super::{super::disposition, Broken, Handover};
use crate::{
    clock,
    deferred::{Envelope, Transfer},
    msrp::{ByteRange, Continuation, FailureReport, OutgoingHead, actor::SendError},
    participating::wrapping::{Wrapping, wrap},
};
use bytes::Bytes;

/// One message after the other, chunk by chunk.
impl Handover {
    /// Relays answer for themselves further on: a 200 to a chunk does not say that its receiver
    /// has it.
    pub fn believe_reports_only(&mut self) {
        self.relayed = true;
    }

    /// Begins to send one message; returns when all its chunks are on their way.
    pub async fn send(&mut self, envelope: &Envelope) -> Result<(), Broken> {
        let sequence = envelope.sequence;
        if self.services.shutdown.has_begun() {
            self.tally.passed_over += 1;
            return Ok(());
        }
        let Some(wrapping) = wrap(envelope, &self.accept_types) else {
            self.tally.refused.push(sequence);
            return Ok(());
        };
        self.turn().await?;
        let transfer = self.watch.transfer(envelope, "sent through a channel");
        let Some(transfer) = transfer else {
            self.tally.passed_over += 1;
            return Ok(());
        };
        self.carry(transfer, wrapping).await
    }

    pub(super) async fn carry(
        &mut self,
        transfer: Transfer,
        wrapping: Wrapping,
    ) -> Result<(), Broken> {
        let envelope = transfer.envelope().clone();
        let message_id = Bytes::copy_from_slice(envelope.facts.message_id.as_bytes());
        self.underway
            .begin(transfer, message_id.clone(), self.relayed);
        self.send_content(&envelope, wrapping, message_id).await?;
        self.underway.all_sent(envelope.sequence);
        self.settle();
        Ok(())
    }

    /// Waits for the turn of the next message.
    pub(super) async fn turn(&mut self) -> Result<(), Broken> {
        let turn = self.pace.turn(clock::now());
        loop {
            let left = turn.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Ok(());
            }
            if let Ok(progress) = tokio::time::timeout(left, self.progress()).await {
                progress?;
            }
        }
    }

    pub(super) async fn send_content(
        &mut self,
        envelope: &Envelope,
        wrapping: Wrapping,
        message_id: Bytes,
    ) -> Result<(), Broken> {
        let mut total = wrapping.prefix.len() as u64 + envelope.facts.size;
        let pieces = envelope.pieces();
        let mut sent = 0;
        for index in 0..pieces.max(1) {
            let mut parts = Vec::with_capacity(2);
            if index == 0 && !wrapping.prefix.is_empty() {
                parts.push(wrapping.prefix.clone());
            }
            if pieces > 0 {
                let piece = self.piece(envelope, index).await?;
                let before = piece.len() as u64;
                let piece = match index {
                    0 => disposition::recorded(&self.services, &envelope.facts, piece),
                    _ => piece,
                };
                total += piece.len() as u64 - before;
                parts.push(piece);
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
            if !self.underway.has(envelope.sequence) {
                // refused while it was being sent
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) async fn piece(&self, envelope: &Envelope, index: u32) -> Result<Bytes, Broken> {
        let piece = self.services.deferred.piece(envelope, index).await;
        let piece = piece.map_err(|_| Broken::Store("piece"))?;
        piece.ok_or(Broken::Store("a piece is missing"))
    }

    pub(super) async fn send_chunk(
        &mut self,
        sequence: u64,
        head: OutgoingHead,
        parts: &[Bytes],
        flag: Continuation,
    ) -> Result<(), Broken> {
        let octets = parts.iter().map(Bytes::len).sum();
        let window = self.services.config.outbound_window.as_u64() as usize;
        while !self.underway.has_room(octets, window) {
            self.progress().await?;
        }
        loop {
            match self.session.send(head.clone(), parts, flag) {
                Ok(chunk) => {
                    self.underway.sent(sequence, chunk, octets);
                    return Ok(());
                }
                Err(SendError::Closed) => return Err(Broken::Gone),
                Err(SendError::Full | SendError::NotBound) => self.progress().await?,
            }
        }
    }

    /// Sends something that is no message of the mailbox.
    pub async fn send_document(
        &mut self,
        content_type: &str,
        document: Bytes,
    ) -> Result<(), Broken> {
        let message_id = self.services.endpoint.new_tag();
        let mut head = OutgoingHead::new(message_id, content_type.to_owned());
        let total = document.len() as u64;
        head.byte_range = Some(ByteRange::after(0, Some(total), Some(total)));
        head.failure_report = FailureReport::Yes;
        self.send_chunk(0, head, &[document], Continuation::Complete)
            .await
    }
}
