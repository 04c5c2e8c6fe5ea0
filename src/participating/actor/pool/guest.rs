use crate::{
    participating::{actor::channel::Unfit, terms::Terms},
    sdp::SessionDescription,
    sip::codec::Message,
};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Names a call on a channel, within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GuestId(u64);

/// A call that wants to use a channel, as the channel knows it.
pub(super) struct Guest {
    pub id: GuestId,
    pub offer: SessionDescription,
    pub terms: Terms,
    told: UnboundedSender<Told>,
}

/// What a call hears of its channel. What ends it comes last.
pub(super) enum Told {
    /// It rings at the far end.
    Ringing(u16),
    /// The call has its session.
    Answered(Answer),
    /// No channel came of it.
    Failed(Failure),
    /// No session can be made of the call's own offer.
    Unfit(Unfit),
    /// The channel cannot be shared with this call, which needs one of its own.
    Apart,
    /// It ended before the call could join: there may be another one.
    Gone,
    /// It is over: the value of a Reason header tells why.
    Ended(Option<String>),
}

/// What a call is answered.
pub(super) struct Answer {
    /// The description of its session.
    pub body: Vec<u8>,
    /// Who answered is a server that keeps messages.
    pub automaton: bool,
    /// The group as whose focus it answered, as a value of P-Asserted-Identity.
    pub focus: Option<String>,
}

/// Why no channel came up.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// With this code, and the answer if there was one.
    Refused(u16, Option<Message>),
    /// Nothing came.
    Silent,
    /// Whoever answered never connected.
    Unconnected,
}

impl Guest {
    pub fn new(offer: SessionDescription, terms: Terms) -> (Box<Self>, UnboundedReceiver<Told>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (told, hears) = mpsc::unbounded_channel();
        let guest = Self {
            id: GuestId(NEXT.fetch_add(1, Ordering::Relaxed)),
            offer,
            terms,
            told,
        };
        (Box::new(guest), hears)
    }

    /// A call that is gone hears nothing.
    pub fn tell(&self, told: Told) {
        let _ = self.told.send(told);
    }
}
