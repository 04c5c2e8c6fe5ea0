/// What the table does after a machine moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What goes to the transport, first.
    pub send: Option<Outgoing>,
    /// What the transaction user is told, then.
    pub tell: Option<News>,
}

/// What a machine wants sent. The table keeps the messages themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// The request, first time or again.
    Request,
    /// ACK for the final response at hand.
    Ack,
    /// A `100 Trying` of our own.
    Trying,
    /// The response last given by the transaction user.
    Response,
}

/// What a machine wants told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The response at hand.
    Response,
    /// The ACK at hand.
    Ack,
    /// No final response came in time.
    TimedOut,
    /// The transport gave up.
    TransportFailed,
    /// The transaction user gave no final response while anyone could still use it.
    Abandoned,
}

/// An input the figures have no arrow for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction is past this")]
pub struct Misplaced;

impl Step {
    pub(super) const NOTHING: Self = Self {
        send: None,
        tell: None,
    };

    pub(super) fn send(outgoing: Outgoing) -> Self {
        Self {
            send: Some(outgoing),
            tell: None,
        }
    }

    pub(super) fn tell(news: News) -> Self {
        Self {
            send: None,
            tell: Some(news),
        }
    }
}
