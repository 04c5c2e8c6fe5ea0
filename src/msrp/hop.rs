//! The stream to one neighbour: requests in flight on it, and which sessions may use it.
//! Pure state, driven by the caller.
use super::FailureReport;
use hashbrown::HashMap;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Names a request of ours on one stream: 64 random bits (RFC 4975 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(u64);

impl TransactionId {
    /// Takes 64 bits from a source nobody can predict.
    pub fn from_random(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the 64 bits.
    pub fn to_bits(self) -> u64 {
        self.0
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

/// A request of ours that waits for its response.
#[derive(Debug)]
struct Request<T> {
    failure_report: FailureReport,
    whose: T,
    due: Due,
}

/// When silence will count.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// It is still being sent.
    Open,
    /// Its last octet stands at this position of the stream.
    Ended(u64),
    /// Its last octet was with the operating system at this time.
    Written(Instant),
}

/// Requests sent over one stream that still wait for their response; `T` tells whose they are.
///
/// The timer of a request starts when its last octet was handed to the operating system, not
/// when it was queued: the stream's position says when that is. Timers are looked at together,
/// by [`Hop::handle_tick`]: at a hundred thousand requests a second one timer each would be
/// most of the work.
#[derive(Debug)]
pub struct Hop<T> {
    response_timeout: Duration,
    requests: HashMap<TransactionId, Request<T>>,
    /// Those among them that only an error answers.
    quiet: usize,
}

/// Requests that want errors only are remembered up to this many: they leave no trace when all
/// is well, and would pile up for as long as silence may last.
const MAX_QUIET: usize = 4096;

impl<T> Hop<T> {
    /// Starts with nothing in flight.
    pub fn new(response_timeout: Duration) -> Self {
        Self {
            response_timeout,
            requests: HashMap::new(),
            quiet: 0,
        }
    }

    /// Returns how many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Notes that a request opened. Where nothing can come back nothing is kept.
    pub fn handle_opened(&mut self, id: TransactionId, failure_report: FailureReport, whose: T) {
        self.note(id, failure_report, whose, Due::Open);
    }

    /// Notes a request whose last octet stands at `position` of the stream.
    pub fn handle_sent(
        &mut self,
        id: TransactionId,
        failure_report: FailureReport,
        position: u64,
        whose: T,
    ) {
        self.note(id, failure_report, whose, Due::Ended(position));
    }

    /// Notes that the last octet of an open request stands at `position` of the stream.
    pub fn handle_ended(&mut self, id: TransactionId, position: u64) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.due = Due::Ended(position);
        }
    }

    /// Takes a response; returns whose request it answers, if that is still waiting.
    pub fn handle_response(&mut self, id: TransactionId) -> Option<T> {
        let request = self.requests.remove(&id)?;
        self.forget(request.failure_report);
        Some(request.whose)
    }

    /// Forgets the requests of an owner who is gone; returns whose they were.
    pub fn handle_owner_gone(&mut self, is_his: impl Fn(&T) -> bool) -> Vec<T> {
        let his = self
            .requests
            .extract_if(|_, request| is_his(&request.whose));
        let mut gone = Vec::new();
        for (_, request) in his {
            if request.failure_report == FailureReport::Partial {
                self.quiet -= 1;
            }
            gone.push(request.whose);
        }
        gone
    }

    /// Looks at the timers: `position` octets of the stream are with the operating system.
    /// Returns whose requests count as answered by 408 now. A request that wants only errors is
    /// forgotten: nobody may conclude anything from silence.
    pub fn handle_tick(&mut self, position: u64, now: Instant) -> Vec<T> {
        let Some(last) = now.checked_sub(self.response_timeout) else {
            return Vec::new();
        };
        let is_late = |_: &TransactionId, request: &mut Request<T>| match request.due {
            Due::Open => false,
            Due::Ended(end) => {
                if end <= position {
                    request.due = Due::Written(now);
                }
                false
            }
            Due::Written(at) => at <= last,
        };
        let late: Vec<_> = self.requests.extract_if(is_late).collect();
        let mut silent = Vec::new();
        for (_, request) in late {
            self.forget(request.failure_report);
            if request.failure_report.duties().run_timer {
                silent.push(request.whose);
            }
        }
        if self.requests.is_empty() {
            self.requests.shrink_to_fit();
        }
        silent
    }

    /// The stream is gone. Returns whose requests are lost: those that nobody answered, and
    /// those that never left, of the ones that want only errors.
    pub fn handle_lost(&mut self, position: u64) -> Vec<T> {
        self.quiet = 0;
        let requests = std::mem::take(&mut self.requests);
        let is_lost = |request: &Request<T>| match request.due {
            Due::Ended(end) if end > position => true,
            Due::Open => true,
            _ => request.failure_report.duties().run_timer,
        };
        let lost = requests.into_values().filter(is_lost);
        lost.map(|request| request.whose).collect()
    }

    fn note(&mut self, id: TransactionId, failure_report: FailureReport, whose: T, due: Due) {
        match failure_report {
            FailureReport::No => return,
            FailureReport::Partial if self.quiet == MAX_QUIET => return,
            FailureReport::Partial => self.quiet += 1,
            FailureReport::Yes => {}
        }
        let request = Request {
            failure_report,
            whose,
            due,
        };
        self.requests.insert(id, request);
    }

    fn forget(&mut self, failure_report: FailureReport) {
        if failure_report == FailureReport::Partial {
            self.quiet -= 1;
        }
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

    const WAIT: Duration = Duration::from_secs(30);
    const NOBODY: Vec<&str> = Vec::new();

    fn sent(failure_report: FailureReport, position: u64) -> (Hop<&'static str>, TransactionId) {
        let mut hop = Hop::new(WAIT);
        let id = TransactionId::from_random(0xa0b1_c2d3_e4f5_0617);
        hop.handle_opened(id, failure_report, "alice");
        hop.handle_ended(id, position);
        (hop, id)
    }

    #[test]
    fn silence_counts_as_408_thirty_seconds_after_the_last_octet() {
        let start = Instant::now() + WAIT;
        let (mut hop, _) = sent(FailureReport::Yes, 1000);
        assert_eq!(hop.handle_tick(999, start), NOBODY);

        let written = start + Duration::from_secs(60);
        assert_eq!(hop.handle_tick(1000, written), NOBODY);
        let early = written + WAIT - Duration::from_millis(1);
        assert_eq!(hop.handle_tick(1000, early), NOBODY);
        assert_eq!(hop.handle_tick(1000, written + WAIT), ["alice"]);
        assert_eq!(hop.in_flight(), 0);
    }

    #[test]
    fn response_stops_the_timer() {
        let now = Instant::now() + WAIT;
        let (mut hop, id) = sent(FailureReport::Yes, 10);
        hop.handle_tick(10, now);
        let whose = hop.handle_response(TransactionId::parse(&id.to_octets()).unwrap());
        assert_eq!(whose, Some("alice"));
        assert_eq!(hop.handle_tick(10, now + WAIT), NOBODY);
        assert_eq!(hop.handle_response(id), None);
    }

    #[test]
    fn response_may_come_before_the_request_ended() {
        let mut hop = Hop::new(WAIT);
        let id = TransactionId::from_random(1);
        hop.handle_opened(id, FailureReport::Yes, "alice");
        assert!(hop.handle_response(id).is_some());
        hop.handle_ended(id, 10);
        assert_eq!(hop.in_flight(), 0);
    }

    #[test]
    fn silence_after_a_partial_request_says_nothing() {
        let now = Instant::now() + WAIT;
        let (mut hop, _) = sent(FailureReport::Partial, 10);
        hop.handle_tick(10, now);
        assert_eq!(hop.handle_tick(10, now + WAIT), NOBODY);
        assert_eq!(hop.in_flight(), 0);
    }

    #[test]
    fn request_that_wants_no_answer_is_not_kept() {
        assert_eq!(sent(FailureReport::No, 10).0.in_flight(), 0);
    }

    #[test]
    fn requests_that_want_errors_only_do_not_pile_up() {
        let mut hop = Hop::new(WAIT);
        for id in 0..2 * MAX_QUIET as u64 {
            hop.handle_sent(
                TransactionId::from_random(id),
                FailureReport::Partial,
                id,
                id,
            );
        }
        assert_eq!(hop.in_flight(), MAX_QUIET);
        hop.handle_owner_gone(|_| true);
        hop.handle_sent(TransactionId::from_random(7), FailureReport::Partial, 1, 7);
        assert_eq!(hop.in_flight(), 1);
    }

    #[test]
    fn lost_stream_tells_whom_it_left_without_an_answer() {
        let now = Instant::now() + WAIT;
        let mut hop = Hop::new(WAIT);
        let requests = [
            (1, FailureReport::Yes, 10),
            (2, FailureReport::Partial, 20),
            (3, FailureReport::Partial, 30),
        ];
        for (id, failure_report, end) in requests {
            hop.handle_sent(TransactionId::from_random(id), failure_report, end, id);
        }
        hop.handle_tick(20, now);
        let mut lost = hop.handle_lost(20);
        lost.sort_unstable();
        assert_eq!(lost, [1, 3]);
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
