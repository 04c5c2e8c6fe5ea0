use super::{Deferred, Deposit};
use crate::{
    clock,
    deferred::{Admission, Disposed, Facts, Refusal, Reservation, State, Stored, Waiting, mailbox},
    identity::Address,
    policy::{self, Standing},
    store::StoreError,
    trail::{self, Step},
};
use bytes::Bytes;

/// Taking a message in.
impl Deferred {
    /// Asks whether messages of `sender` may be stored for `recipient`.
    ///
    /// Errors: `NotPermitted`, `UnknownReceiver`, `Store`.
    pub async fn admission(
        &self,
        sender: &Address,
        recipient: &Address,
    ) -> Result<Admission, Refusal> {
        let (inner, asked) = (self.0.clone(), recipient.clone());
        let known = self.read(move |view| {
            let standing = (inner.directory)(view, &asked)?;
            let waiting = mailbox::mailbox(view, &asked)?.waiting();
            Ok((standing, waiting))
        });
        let (standing, waiting) = known.await?;
        self.admitted((sender, recipient), standing, waiting)
    }

    /// Asks the same for several recipients at once; the answers in their order.
    ///
    /// Errors: those of the store.
    pub async fn admissions(
        &self,
        sender: &Address,
        recipients: Vec<Address>,
    ) -> Result<Vec<Result<Admission, Refusal>>, StoreError> {
        let inner = self.0.clone();
        let known = self.read(move |view| {
            let look = |recipient: Address| {
                let standing = (inner.directory)(view, &recipient)?;
                let waiting = mailbox::mailbox(view, &recipient)?.waiting();
                Ok((recipient, standing, waiting))
            };
            let known = recipients.into_iter().map(look);
            known.collect::<Result<Vec<_>, StoreError>>()
        });
        let admit = |(recipient, standing, waiting)| {
            let admitted = self.admitted((sender, &recipient), standing, waiting);
            self.counted(admitted)
        };
        Ok(known.await?.into_iter().map(admit).collect())
    }

    fn admitted(
        &self,
        parties: (&Address, &Address),
        standing: Standing,
        waiting: Waiting,
    ) -> Result<Admission, Refusal> {
        let settings = policy::may_store(standing)?;
        let class = self.0.classes.of(settings.class.as_deref());
        let (capacity, config) = (&self.0.capacity, &self.0.config);
        Ok(capacity.admit(parties, waiting, class, config))
    }

    /// Promises room for a copy of a message of so many octets that is being received already.
    ///
    /// Errors: `Full`, `TooLarge`.
    pub fn reserve_copy(&self, admission: &Admission, octets: u64) -> Result<Reservation, Refusal> {
        self.counted(admission.reserve_copy(octets))
    }

    /// Promises room for one more message by an admission.
    ///
    /// Errors: `Full`, `TooLarge`, `Busy`.
    pub fn reserve(
        &self,
        admission: &Admission,
        declared: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let reserved = self
            .has_space(declared)
            .and_then(|()| admission.reserve(declared));
        self.counted(reserved)
    }

    /// Asks whether a message may be stored, and promises room for it.
    ///
    /// Errors: `NotPermitted`, `UnknownReceiver`, `Full`, `TooLarge`, `Busy`.
    pub async fn admit(
        &self,
        sender: &Address,
        recipient: &Address,
        declared: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let admission = self.counted(self.admission(sender, recipient).await)?;
        self.reserve(&admission, declared)
    }

    /// Counts what is refused.
    fn counted<T>(&self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        outcome.inspect_err(|refusal| {
            self.0.metrics.refused(refusal);
            tracing::debug!(reason = refusal.kind(), "message refused");
        })
    }

    fn has_space(&self, declared: Option<u64>) -> Result<(), Refusal> {
        let needed = declared.unwrap_or(0);
        let needed = needed.saturating_add(self.config().min_free.as_u64());
        match self.0.free().is_some_and(|free| free < needed) {
            true => Err(Refusal::Busy("deferred.min_free")),
            false => Ok(()),
        }
    }

    /// Begins to receive a message for which room was promised.
    pub fn begin(&self, reservation: Reservation) -> Deposit {
        Deposit::new(self.clone(), reservation, clock::wall())
    }

    /// Makes a complete deposit durable: when this returns, its sender may be told.
    ///
    /// A message known by sender, recipient and message id is not stored again.
    /// Errors: `Incomplete`, `Full`, `BadMessageId`, `Store`; then nothing was stored.
    pub async fn complete(
        &self,
        deposit: Deposit,
        facts: Facts,
        total: u64,
    ) -> Result<Stored, Refusal> {
        let began = clock::now();
        let step = keeping(&facts, deposit.reservation().recipient());
        // a task of its own: what was begun ends, even if the caller goes away meanwhile
        let ending = tokio::spawn(deposit.complete(facts, total));
        let outcome = ending.await.unwrap_or(Err(Refusal::Interrupted));
        self.0.metrics.deposited(&outcome, total, began.elapsed());
        tell(&step, &outcome);
        outcome
    }

    /// Makes a complete deposit durable for several recipients, for each of whom room was
    /// promised; its content is kept once. What became of it for each, in their order.
    ///
    /// Errors: `Incomplete`, `BadMessageId`, `Store`; then nothing was stored.
    pub async fn complete_for(
        &self,
        deposit: Deposit,
        recipients: Vec<(Reservation, Facts)>,
        total: u64,
    ) -> Result<Vec<Result<Stored, Refusal>>, Refusal> {
        let began = clock::now();
        let keep = |(room, facts): &(Reservation, Facts)| keeping(facts, room.recipient());
        let steps: Vec<_> = match trail::enabled() {
            true => recipients.iter().map(keep).collect(),
            false => Vec::new(),
        };
        let ending = tokio::spawn(deposit.complete_for(recipients, total));
        let outcomes = ending.await.unwrap_or(Err(Refusal::Interrupted))?;
        for outcome in &outcomes {
            self.0.metrics.deposited(outcome, total, began.elapsed());
        }
        for (step, outcome) in steps.iter().zip(&outcomes) {
            tell(step, outcome);
        }
        Ok(outcomes)
    }

    /// Writes down that messages do not reach their receivers, each with its reason, and tells
    /// their senders where they asked for it.
    pub async fn undeliverable(&self, lost: Vec<(Facts, String)>) -> Result<(), StoreError> {
        if lost.is_empty() {
            return Ok(());
        }
        let telling = self.durable(0, clock::wall(), move |ledger| {
            for (facts, reason) in lost {
                let parties = (&*facts.message_id, &facts.sender, &facts.recipient);
                ledger.note(parties, State::Refused, reason)?;
                ledger.notify(&facts, Disposed::Failed)?;
            }
            Ok(())
        });
        telling.await
    }

    /// Admits, receives and stores a message that is there as a whole.
    pub async fn accept(&self, facts: Facts, content: Bytes) -> Result<Stored, Refusal> {
        let total = content.len() as u64;
        let admission = self.admission(&facts.sender, &facts.recipient).await;
        let admission = self.counted(admission)?;
        let reservation = match facts.is_notification() {
            // it has a bound of its own, which is met when it is stored
            true => self.counted(admission.reserve_notification(total))?,
            false => self.reserve(&admission, Some(total))?,
        };
        let mut deposit = self.begin(reservation);
        if let Err(refusal) = deposit.write(0, content).await {
            self.0.metrics.refused(&refusal);
            return Err(refusal);
        }
        self.complete(deposit, facts, total).await
    }
}

/// Begins to follow how a message is made durable.
fn keeping(facts: &Facts, recipient: &Address) -> Step {
    trail::message("keep", &facts.message_id, &facts.sender, recipient)
}

fn tell(step: &Step, outcome: &Result<Stored, Refusal>) {
    match outcome {
        Ok(stored) if stored.duplicate => step.ended(State::Stored, "known already"),
        Ok(_) => step.ended(State::Stored, "on disk"),
        Err(refusal) => step.ended(State::Refused, refusal),
    }
}

/// Message ids are keys: not empty, not endless, no control characters.
pub(super) fn check_message_id(message_id: &str) -> Result<(), Refusal> {
    let is_usable =
        (1..=256).contains(&message_id.len()) && !message_id.chars().any(char::is_control);
    match is_usable {
        true => Ok(()),
        false => Err(Refusal::BadMessageId),
    }
}
