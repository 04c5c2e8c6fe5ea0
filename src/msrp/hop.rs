//! The stream to one neighbour: requests in flight on it, and which sessions may use it.
//! Pure state, driven by the caller.
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};

use super::{FailureReport, OutgoingId};

/// Names a request of ours on one stream: 64 random bits (RFC 4975 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(u64);

impl TransactionId {
    /// Takes 64 bits from a source nobody can predict.
    pub fn from_random(bits: u64) -> Self {
        Self(bits)
    }

    /// Reads an id back from a response; `None` if it cannot be one of ours.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut octets = [0; 8];
        hex::decode_to_slice(text, &mut octets).ok()?;
        Some(Self(u64::from_be_bytes(octets)))
    }

    /// Returns the sixteen octets on the wire.
    pub fn to_octets(self) -> [u8; 16] {
        let mut text = [0; 16];
        hex::encode_to_slice(self.0.to_be_bytes(), &mut text).expect("16 digits for 8 octets");
        text
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Whose request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The session, by the number its shard gave it.
    pub session: u64,
    /// The chunk it belongs to.
    pub outgoing: OutgoingId,
    /// What its sender wants to hear.
    pub failure_report: FailureReport,
}

/// What the caller must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Count this request as answered by 408 (RFC 4975 §7.1.1).
    TimedOut(Transaction),
}

/// Requests sent over one stream that still wait for their response.
///
/// The timer of a request starts when its last octet was handed to the operating system, not
/// when it was queued: the stream's position says when that is.
#[derive(Debug)]
pub struct Hop {
    response_timeout: Duration,
    transactions: HashMap<TransactionId, Transaction>,
    /// In the order of their last octet.
    queued: VecDeque<(u64, TransactionId)>,
    /// In the order of their deadline: all timers are equally long.
    armed: VecDeque<(Instant, TransactionId)>,
    effects: VecDeque<Effect>,
}

impl Hop {
    /// Starts with nothing in flight.
    pub fn new(response_timeout: Duration) -> Self {
        Self {
            response_timeout,
            transactions: HashMap::new(),
            queued: VecDeque::new(),
            armed: VecDeque::new(),
            effects: VecDeque::new(),
        }
    }

    /// Returns how many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.transactions.len()
    }

    /// Notes that a request opened. Where nothing can come back nothing is kept.
    pub fn handle_opened(&mut self, id: TransactionId, transaction: Transaction) {
        if transaction.failure_report != FailureReport::No {
            self.transactions.insert(id, transaction);
        }
    }

    /// Notes that the last octet of a request stands at `position` of the stream.
    pub fn handle_ended(&mut self, id: TransactionId, position: u64) {
        if self.transactions.contains_key(&id) {
            self.queued.push_back((position, id));
        }
    }

    /// Starts the timers of all requests whose last octet was written: `position` octets of the
    /// stream are with the operating system.
    pub fn handle_written(&mut self, position: u64, now: Instant) {
        while let Some((_, id)) = self.queued.pop_front_if(|(last, _)| *last <= position) {
            self.armed.push_back((now + self.response_timeout, id));
        }
    }

    /// Takes a response; returns whose request it answers, if that is still waiting.
    pub fn handle_response(&mut self, id: TransactionId) -> Option<Transaction> {
        self.transactions.remove(&id)
    }

    /// Forgets what `session` has in flight.
    pub fn handle_session_closed(&mut self, session: u64) {
        self.transactions
            .retain(|_, transaction| transaction.session != session);
    }

    /// Counts as answered by 408 what is unanswered at `now`. A request that wants only errors
    /// is forgotten: nobody may conclude anything from silence.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.armed.pop_front_if(|(deadline, _)| *deadline <= now) {
            if let Some(transaction) = self.transactions.remove(&id)
                && transaction.failure_report.duties().run_timer
            {
                self.effects.push_back(Effect::TimedOut(transaction));
            }
        }
    }

    /// Returns when [`Hop::handle_timeout`] is due.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        while let Some((deadline, id)) = self.armed.front() {
            if self.transactions.contains_key(id) {
                return Some(*deadline);
            }
            self.armed.pop_front();
        }
        None
    }

    /// Takes the next effect.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}

/// Where the session stands that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody knows it.
    Unknown,
    /// It waits for its first request.
    Waiting,
    /// It belongs to the stream the request came on.
    Here,
    /// It belongs to another stream.
    Elsewhere,
}

/// What to do with a request for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Give it to the session.
    Take,
    /// Bind the session to this stream, then give it the request.
    Bind,
    /// Refuse with this status: 481 or 506.
    Refuse(u16),
}

/// Decides by the connection model of RFC 4975 §5.4. Only a SEND binds.
pub fn admit(place: Place, is_send: bool) -> Admission {
    match place {
        Place::Here => Admission::Take,
        Place::Waiting if is_send => Admission::Bind,
        Place::Waiting | Place::Unknown => Admission::Refuse(481),
        Place::Elsewhere => Admission::Refuse(506),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::session::{Rules, Session};

    const WAIT: Duration = Duration::from_secs(30);

    fn transaction(failure_report: FailureReport) -> Transaction {
        let outgoing = Session::new(Rules::default()).start(failure_report);
        Transaction {
            session: 7,
            outgoing,
            failure_report,
        }
    }

    fn sent(failure_report: FailureReport, position: u64) -> (Hop, TransactionId) {
        let mut hop = Hop::new(WAIT);
        let id = TransactionId::from_random(0xa0b1_c2d3_e4f5_0617);
        hop.handle_opened(id, transaction(failure_report));
        hop.handle_ended(id, position);
        (hop, id)
    }

    #[test]
    fn silence_counts_as_408_thirty_seconds_after_the_last_octet() {
        let start = Instant::now();
        let (mut hop, _) = sent(FailureReport::Yes, 1000);
        hop.handle_written(999, start);
        assert_eq!(hop.next_timeout(), None);

        let written = start + Duration::from_secs(60);
        hop.handle_written(1000, written);
        assert_eq!(hop.next_timeout(), Some(written + WAIT));
        hop.handle_timeout(written + WAIT - Duration::from_millis(1));
        assert_eq!(hop.next_effect(), None);
        hop.handle_timeout(written + WAIT);
        let expected = Effect::TimedOut(transaction(FailureReport::Yes));
        assert_eq!(hop.next_effect(), Some(expected));
        assert_eq!(hop.in_flight(), 0);
    }

    #[test]
    fn response_stops_the_timer() {
        let (mut hop, id) = sent(FailureReport::Yes, 10);
        hop.handle_written(10, Instant::now());
        let whose = hop.handle_response(TransactionId::parse(&id.to_octets()).unwrap());
        assert_eq!(whose, Some(transaction(FailureReport::Yes)));
        assert_eq!((hop.next_timeout(), hop.handle_response(id)), (None, None));
    }

    #[test]
    fn response_may_come_before_the_request_ended() {
        let mut hop = Hop::new(WAIT);
        let id = TransactionId::from_random(1);
        hop.handle_opened(id, transaction(FailureReport::Yes));
        assert!(hop.handle_response(id).is_some());
        hop.handle_ended(id, 10);
        hop.handle_written(10, Instant::now());
        assert_eq!(hop.next_timeout(), None);
    }

    #[test]
    fn silence_after_a_partial_request_says_nothing() {
        let now = Instant::now();
        let (mut hop, _) = sent(FailureReport::Partial, 10);
        hop.handle_written(10, now);
        hop.handle_timeout(now + WAIT);
        assert_eq!((hop.next_effect(), hop.in_flight()), (None, 0));
    }

    #[test]
    fn request_that_wants_no_answer_is_not_kept() {
        assert_eq!(sent(FailureReport::No, 10).0.in_flight(), 0);
    }

    #[test]
    fn ids_of_others_are_not_ours() {
        for text in ["", "d93kswow", "A0B1C2D3E4F50617X", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(TransactionId::parse(text.as_bytes()), None);
        }
    }

    #[test]
    fn sessions_are_bound_by_their_first_send_only() {
        assert_eq!(admit(Place::Waiting, true), Admission::Bind);
        assert_eq!(admit(Place::Waiting, false), Admission::Refuse(481));
        assert_eq!(admit(Place::Unknown, true), Admission::Refuse(481));
        assert_eq!(admit(Place::Elsewhere, true), Admission::Refuse(506));
        assert_eq!(admit(Place::Here, false), Admission::Take);
    }
}
