use super::{Broken, Handover};
use crate::{
    deferred::{Envelope, Transfer},
    msrp::{ByteRange, Continuation, FailureReport, OutgoingHead},
    participating::{aggregation, notice, wrapping::wrap},
    profile::mime,
};
use bytes::Bytes;

impl Handover {
    /// Begins to send messages in their order; notifications that follow one another go together
    /// where the reader takes that. Returns when all their chunks are on their way.
    pub async fn send_messages(&mut self, messages: &[Envelope]) -> Result<(), Broken> {
        let most = match self.joins {
            true => self.services.config.max_aggregation,
            false => 1,
        };
        for run in aggregation::runs(messages, most) {
            match run {
                [] => {}
                [one] => self.send(one).await?,
                several => self.send_joined(several).await?,
            }
        }
        Ok(())
    }

    /// Begins to send notifications as one message; one after the other where that can't be.
    pub(super) async fn send_joined(&mut self, several: &[Envelope]) -> Result<(), Broken> {
        if self.services.shutdown.has_begun() {
            self.tally.passed_over += 1;
            return Ok(());
        }
        let mut contents = Vec::with_capacity(several.len());
        for envelope in several {
            contents.push(self.piece(envelope, 0).await?);
        }
        let message_id = self.services.endpoint.new_tag();
        let server = notice::own(&self.services.domain_of(&self.owner));
        let Some(joined) = aggregation::join(&contents, &server, &message_id) else {
            for envelope in several {
                self.send(envelope).await?;
            }
            return Ok(());
        };
        self.turn().await?;
        let reason = "sent through a channel, with others";
        let transfers = several.iter().map(|one| self.watch.transfer(one, reason));
        let mut transfers: Vec<_> = transfers.flatten().collect();
        if transfers.len() < several.len() {
            // some are gone meanwhile: the others go alone
            self.alone.extend(transfers);
            self.tally.passed_over += 1;
            return Ok(());
        }
        let first = transfers.remove(0);
        let sequence = first.envelope().sequence;
        let message_id = Bytes::from(message_id);
        let all = (first, transfers);
        self.underway
            .begin_joined(all, message_id.clone(), self.relayed);
        let total = joined.len() as u64;
        let mut head = OutgoingHead::new(message_id, mime::CPIM.to_owned());
        head.byte_range = Some(ByteRange::after(0, Some(total), Some(total)));
        head.failure_report = FailureReport::Yes;
        head.success_report = self.relayed;
        self.send_chunk(sequence, head, &[joined], Continuation::Complete)
            .await?;
        self.underway.all_sent(sequence);
        self.settle();
        Ok(())
    }

    /// Sends what its reader would not have with others.
    pub(super) async fn send_alone(&mut self, transfer: Transfer) -> Result<(), Broken> {
        let Some(wrapping) = wrap(transfer.envelope(), &self.accept_types) else {
            self.tally.refused.push(transfer.envelope().sequence);
            return Ok(());
        };
        self.turn().await?;
        self.carry(transfer, wrapping).await
    }
}
