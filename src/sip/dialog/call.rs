use super::{Dialog, DialogError, DialogId};
use crate::sip::codec::{Message, Method};

/// One INVITE of ours outside a dialog, followed through provisional responses, forks, 2xx and
/// CANCEL (RFC 3261 §13.2, §9.1).
///
/// Exactly one dialog comes out of it, or none. The 2xx of every other branch of a fork, and any
/// 2xx that crossed our CANCEL, is acknowledged and ended with BYE at once.
#[derive(Debug)]
pub struct Call {
    invite: Message,
    number: u32,
    early: Vec<Dialog>,
    state: State,
    /// The ACK of each 2xx seen, to be sent again when the 2xx comes again.
    acknowledged: Vec<(DialogId, Option<Message>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Cancelled,
    Answered,
    Failed,
}

/// What a response to the INVITE means.
#[derive(Debug)]
pub enum Verdict {
    /// A provisional response; with a To tag it opened an early dialog.
    Provisional,
    /// The first 2xx. The dialog is confirmed; send its ACK and give it to
    /// [`Call::acknowledged`].
    Answered(Box<Dialog>),
    /// A 2xx came again: send this ACK again.
    Repeated(Message),
    /// A 2xx nobody wants: send the ACK, then the BYE.
    Unwanted {
        /// The ACK.
        ack: Message,
        /// The BYE.
        bye: Message,
    },
    /// A final response other than 2xx; the transaction acknowledges it.
    Failed,
    /// Nothing to do.
    Ignored,
    /// The 2xx opens no dialog, for this reason; the call failed.
    Broken(DialogError),
}

/// Early dialogs of one INVITE that are kept; further branches only show at their 2xx.
const MAX_EARLY: usize = 16;
/// 2xx of different branches that are acknowledged; more are a mistake or an attack.
const MAX_BRANCHES: usize = 16;

impl Call {
    /// Follows `invite`.
    ///
    /// Errors: it has no readable CSeq.
    pub fn new(invite: Message) -> Result<Self, DialogError> {
        let number = invite.cseq()?.number;
        Ok(Self {
            invite,
            number,
            early: Vec::new(),
            state: State::Open,
            acknowledged: Vec::new(),
        })
    }

    /// The CSeq number of the INVITE, which is that of its ACK.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Early dialogs, one per branch that answered with a To tag.
    pub fn early(&mut self) -> &mut [Dialog] {
        &mut self.early
    }

    /// We gave up: true if a CANCEL is to be sent. A 2xx that comes nevertheless is `Unwanted`.
    pub fn cancel(&mut self) -> bool {
        let open = self.state == State::Open;
        if open {
            self.state = State::Cancelled;
        }
        open
    }

    /// Remembers the ACK of an answered call.
    pub fn acknowledged(&mut self, dialog: &DialogId, ack: Message) {
        if let Some((_, slot)) = self.acknowledged.iter_mut().find(|(id, _)| id == dialog) {
            *slot = Some(ack);
        }
    }

    /// A response to the INVITE arrived.
    pub fn handle_response(&mut self, response: &Message) -> Verdict {
        match response.code() {
            Some(100..=199) => self.handle_provisional(response),
            Some(200..=299) => self.handle_success(response),
            Some(300..=699) if matches!(self.state, State::Open | State::Cancelled) => {
                self.state = State::Failed;
                self.early.clear();
                Verdict::Failed
            }
            _ => Verdict::Ignored,
        }
    }

    fn handle_provisional(&mut self, response: &Message) -> Verdict {
        if self.state != State::Open {
            return Verdict::Ignored;
        }
        // without tag or Contact there is no early dialog, and none is needed yet
        if let Ok(dialog) = Dialog::caller(&self.invite, response) {
            let has_room = self.early.len() < MAX_EARLY;
            match self
                .early
                .iter_mut()
                .find(|known| known.id() == dialog.id())
            {
                Some(known) => known.refresh_target(response),
                None if has_room => self.early.push(dialog),
                None => {}
            }
        }
        Verdict::Provisional
    }

    fn handle_success(&mut self, response: &Message) -> Verdict {
        let id = DialogId::of_received(response);
        let seen = self
            .acknowledged
            .iter()
            .find(|(known, _)| Some(known) == id.as_ref());
        if let Some((_, ack)) = seen {
            return ack.clone().map_or(Verdict::Ignored, Verdict::Repeated);
        }
        if self.acknowledged.len() >= MAX_BRANCHES || self.state == State::Failed {
            return Verdict::Ignored;
        }
        let dialog = match self.confirmed(response) {
            Ok(dialog) => dialog,
            Err(error) if self.state == State::Open => {
                self.state = State::Failed;
                return Verdict::Broken(error);
            }
            Err(_) => return Verdict::Ignored,
        };
        if self.state == State::Open {
            self.state = State::Answered;
            self.early.clear();
            self.acknowledged.push((dialog.id().clone(), None));
            return Verdict::Answered(Box::new(dialog));
        }
        self.end(dialog)
    }

    /// The dialog of a 2xx; it goes on where its early dialog stood.
    fn confirmed(&mut self, response: &Message) -> Result<Dialog, DialogError> {
        let fresh = Dialog::caller(&self.invite, response)?;
        let early = self.early.iter().position(|early| early.id() == fresh.id());
        let mut dialog = early.map_or(fresh, |at| self.early.swap_remove(at));
        dialog.confirm(Some(response))?;
        Ok(dialog)
    }

    fn end(&mut self, mut dialog: Dialog) -> Verdict {
        let ack = dialog.ack(self.number).build();
        let bye = dialog.request(Method::Bye).build();
        self.acknowledged
            .push((dialog.id().clone(), Some(ack.clone())));
        Verdict::Unwanted { ack, bye }
    }
}
