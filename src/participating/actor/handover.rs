use super::{
    Services, disposition,
    hearing::{Heard, Hearing},
    inflow::Arrivals,
    underway::{Refused, Underway},
};
use crate::{
    deferred::{Transfer, Watch},
    identity::Address,
    msrp::{
        ChunkToken,
        actor::{CloseReason, SessionEvent, SessionHandle},
    },
    participating::{aggregation, pace::Pace},
    profile::mime,
    sdp::MessageMedia,
};
use removing::{Removal, confirm, confirmed};
use std::{collections::VecDeque, rc::Rc};

mod joined;
mod removing;
mod sending;

/// Hands waiting messages over through one channel, several of them on their way at a time.
///
/// A message is removed only when the receiver's side has answered 200 to each of its chunks and,
/// where relays stand in between, its success report has come. Whatever is left when the channel
/// breaks waits again.
pub(super) struct Handover {
    services: Rc<Services>,
    /// Whose messages they are.
    owner: Address,
    /// Begun before the first of them was read.
    watch: Rc<Watch>,
    session: SessionHandle,
    arrivals: Arrivals,
    accept_types: Vec<String>,
    /// Relays answer 200 for themselves: only a report tells that the receiver has it.
    relayed: bool,
    /// It takes several notifications as one message.
    joins: bool,
    /// What it would not have with others, and gets alone.
    alone: VecDeque<Transfer>,
    pace: Rc<Pace>,
    underway: Underway,
    /// What has arrived for certain and is to be removed next.
    arrived: Vec<Transfer>,
    /// The removal that is being made durable.
    confirming: Option<Removal>,
    hearing: Hearing,
    heard: VecDeque<Heard>,
    /// What the device asks for; whoever runs the channel serves it.
    requests: VecDeque<Heard>,
    pub tally: Tally,
}

/// Most messages of which one channel knows before it sends them: small contents come with them.
const PAGE: usize = 32;

/// What came of the messages so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Messages handed over.
    pub delivered: u64,
    /// Messages the device would not have, by sequence.
    pub refused: Vec<u64>,
    /// Messages that were gone, or on their way to another device.
    pub passed_over: u64,
}

/// The channel can carry no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("channel closed ({})", .0.kind())]
    Closed(CloseReason),
    #[error("channel is gone")]
    Gone,
    #[error("the device does not answer")]
    Unanswered,
    #[error("nothing moved for `participating.idle_timeout`")]
    Idle,
    #[error("server shuts down")]
    Shutdown,
    #[error("store: {0}")]
    Store(&'static str),
}

impl Handover {
    /// Sends to the `reader` that was agreed on, over `session`, what is read under `watch`.
    pub fn new(
        services: Rc<Services>,
        (owner, watch): (Address, Rc<Watch>),
        session: SessionHandle,
        arrivals: Arrivals,
        reader: MessageMedia,
    ) -> Self {
        Self {
            services,
            owner,
            watch,
            session,
            arrivals,
            relayed: reader.is_relayed(),
            joins: aggregation::takes_several(&reader),
            alone: VecDeque::new(),
            accept_types: reader.accept_types,
            pace: Rc::new(Pace::unlimited()),
            underway: Underway::default(),
            arrived: Vec::new(),
            confirming: None,
            hearing: Hearing::default(),
            heard: VecDeque::new(),
            requests: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// The same, as fast as `pace` allows.
    pub fn at(mut self, pace: &Rc<Pace>) -> Self {
        self.pace = pace.clone();
        self
    }

    /// Waits until the device has connected.
    pub async fn bound(&mut self) -> Result<(), Broken> {
        while !self.session.is_bound() {
            self.progress().await?;
        }
        Ok(())
    }

    /// Sends all that waits, page after page.
    pub async fn send_all(&mut self) -> Result<(), Broken> {
        let services = self.services.clone();
        let mut after = 0;
        loop {
            let limit = services.config.list_page.min(PAGE);
            let page = services.deferred.list(&self.owner, after, limit);
            let page = page.await.map_err(|_| Broken::Store("list"))?;
            self.send_messages(&page).await?;
            after = page.iter().map(|one| one.sequence).fold(after, u64::max);
            if page.is_empty() || services.shutdown.has_begun() {
                return self.finish().await;
            }
        }
    }

    /// Waits until everything that was sent is settled, and what arrived is removed for good.
    pub async fn finish(&mut self) -> Result<(), Broken> {
        loop {
            self.settle();
            while !self.underway.is_settled() || self.confirming.is_some() {
                self.progress().await?;
            }
            match self.alone.pop_front() {
                Some(transfer) => self.send_alone(transfer).await?,
                None => return Ok(()),
            }
        }
    }

    /// Begins to look at the mailbox anew.
    pub fn look_again(&self) {
        self.watch.renew();
    }

    /// Lets the channel go on until `woken` resolves, however long nothing moves.
    pub async fn rest(&mut self, woken: impl Future<Output = ()>) -> Result<(), Broken> {
        tokio::pin!(woken);
        loop {
            tokio::select! {
                () = &mut woken => return Ok(()),
                moved = self.step() => moved?,
            }
        }
    }

    /// Waits for the next events of the channel, or of the store, and does what they decide.
    async fn progress(&mut self) -> Result<(), Broken> {
        let services = self.services.clone();
        let busy = !self.underway.is_settled() || self.confirming.is_some();
        tokio::select! {
            step = self.step() => step,
            () = tokio::time::sleep(services.config.idle_timeout) => Err(Broken::Idle),
            () = services.shutdown.rested(busy) => Err(Broken::Shutdown),
        }
    }

    /// The same, and waits as long as it takes. Nothing is lost where this is dropped.
    async fn step(&mut self) -> Result<(), Broken> {
        tokio::select! {
            count = confirmed(&mut self.confirming) => {
                let count = count?;
                self.settle();
                self.tally.delivered += count;
                self.services.metrics.handed_channel.increment(count);
                Ok(())
            }
            batch = self.arrivals.next() => {
                let mut batch = batch.ok_or(Broken::Gone)?;
                let taken = self.take(batch.events.drain(..));
                self.arrivals.done(&batch, &self.session);
                self.settle();
                self.listen();
                taken
            }
        }
    }

    fn take(&mut self, events: impl Iterator<Item = SessionEvent>) -> Result<(), Broken> {
        let mut outcome = Ok(());
        for event in events {
            let refused = match event {
                SessionEvent::Response { transaction, code } => {
                    self.underway.answered(transaction, code)
                }
                SessionEvent::Report(head) => self.underway.reported(&head),
                SessionEvent::Closed(reason) => return Err(Broken::Closed(reason)),
                said => {
                    self.heard.extend(self.hearing.hear(said, &self.session));
                    None
                }
            };
            if let Some(refused) = refused {
                outcome = outcome.and(self.refused(refused));
            }
        }
        outcome
    }

    /// Whose messages they are.
    pub fn owner(&self) -> &Address {
        &self.owner
    }

    pub fn services(&self) -> &Rc<Services> {
        &self.services
    }

    /// What the device has asked for over the channel, if it has.
    pub fn request(&mut self) -> Option<Heard> {
        self.requests.pop_front()
    }

    /// Waits until the device asks for something.
    pub async fn next_request(&mut self) -> Result<Heard, Broken> {
        loop {
            if let Some(request) = self.request() {
                return Ok(request);
            }
            self.progress().await?;
        }
    }

    /// Answers a chunk of the device.
    pub fn respond(&self, chunk: ChunkToken, code: u16) {
        self.session.respond(chunk, code);
    }

    /// Answers what the device said on its channel; requests wait.
    fn listen(&mut self) {
        for heard in self.heard.drain(..) {
            if mime::is(&heard.content_type, mime::DEFERRED_LIST) {
                self.requests.push_back(heard);
                continue;
            }
            let (message_id, octets) = (heard.message_id, heard.body.len());
            tracing::trace!(message_id, octets, "the device speaks on its channel");
            let (services, session) = (self.services.clone(), self.session.clone());
            let owner = self.owner.clone();
            actix_rt::spawn(async move {
                let (content_type, body) = (&heard.content_type, heard.body);
                let code = disposition::heard(&services, &owner, content_type, body).await;
                session.respond(heard.chunk, code);
            });
        }
    }

    /// The receiver would not have it, or did not say: it waits again. A device that leaves one
    /// unanswered is sent no more; what it refuses is not tried on it again.
    fn refused(&mut self, refused: Refused) -> Result<(), Broken> {
        let Refused {
            transfer,
            others,
            code,
        } = refused;
        if !others.is_empty() && code != 408 {
            self.joins = false;
            self.alone.push_back(transfer);
            self.alone.extend(others);
            return Ok(());
        }
        let sequence = transfer.envelope().sequence;
        actix_rt::spawn(async move {
            let reason = format!("refused by the device ({code})");
            if let Err(error) = transfer.release(reason).await {
                tracing::warn!(%error, "message not put back at once");
            }
        });
        if code == 408 {
            return Err(Broken::Unanswered);
        }
        self.tally.refused.push(sequence);
        Ok(())
    }

    /// Begins to remove what has arrived for certain: all that came while the last removal was
    /// made durable, in one.
    fn settle(&mut self) {
        self.arrived.extend(self.underway.arrived());
        if self.confirming.is_none() && !self.arrived.is_empty() {
            let arrived = std::mem::take(&mut self.arrived);
            // a task of its own: it goes on if the channel ends now
            self.confirming = Some(actix_rt::spawn(confirm(&self.services, arrived)));
        }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.arrived.extend(self.underway.arrived());
        if !self.arrived.is_empty() {
            let arrived = std::mem::take(&mut self.arrived);
            actix_rt::spawn(confirm(&self.services, arrived));
        }
    }
}
