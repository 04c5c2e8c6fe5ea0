//! One end of one session: which SENDs it takes, what it owes for them, and what became of its
//! own. Pure state; the hop that carries the session feeds it.
use super::{ByteRange, FailureReport, Head, report};
use bytes::Bytes;
use std::collections::HashMap;

/// What a session takes.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Media types taken, as in `a=accept-types`: `type/subtype`, `type/*` or `*`. Empty takes
    /// everything.
    pub accept_types: Vec<String>,
    /// Octets of the longest message taken, as in `a=max-size`.
    pub max_size: Option<u64>,
}

impl Rules {
    fn accepts(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        self.accept_types.is_empty()
            || self.accept_types.iter().any(|accepted| {
                accepted == "*"
                    || accepted.eq_ignore_ascii_case(essence)
                    || accepted.strip_suffix('*').is_some_and(|prefix| {
                        prefix.ends_with('/')
                            && essence
                                .get(..prefix.len())
                                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                    })
            })
    }
}

/// Names a SEND that came in, until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkToken(u64);

/// Names a chunk that goes out, until its fate is known. On the wire it may be several SENDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutgoingId(u64);

impl OutgoingId {
    /// The SEND without content that binds a session to its connection.
    pub const BINDING: Self = Self(0);
}

/// A response to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the request that is answered.
    pub transaction_id: Bytes,
    /// The previous hop (RFC 4975 §7.2).
    pub to_path: Bytes,
    /// The status.
    pub code: u16,
}

/// Why a session refuses a SEND by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A media type that was not offered.
    MediaType,
    /// More octets than `a=max-size` allows.
    TooLarge,
}

impl Refusal {
    /// Returns the status that answers it.
    pub fn status(&self) -> u16 {
        match self {
            Self::MediaType => 415,
            Self::TooLarge => 413,
        }
    }

    /// Returns the label value for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MediaType => "media_type",
            Self::TooLarge => "too_large",
        }
    }
}

#[derive(Debug)]
struct Owed {
    transaction_id: Bytes,
    to_path: Bytes,
    failure_report: FailureReport,
}

#[derive(Debug)]
struct Sent {
    open: u32,
    ended: bool,
    failure_report: FailureReport,
}

/// The account of one session.
#[derive(Debug)]
pub struct Session {
    rules: Rules,
    tokens: u64,
    /// The SEND that comes in now, unless it was refused already.
    current: Option<ChunkToken>,
    owed: HashMap<ChunkToken, Owed>,
    /// Octets of the message up to the point the current chunk has reached.
    reached: u64,
    outgoing: u64,
    sent: HashMap<OutgoingId, Sent>,
}

impl Session {
    /// Starts a session that takes what `rules` say.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            tokens: 0,
            current: None,
            owed: HashMap::new(),
            reached: 0,
            outgoing: OutgoingId::BINDING.0,
            sent: HashMap::new(),
        }
    }

    /// Returns how many SENDs wait for their answer.
    pub fn unanswered(&self) -> usize {
        self.owed.len()
    }

    /// Takes the head of a SEND. Its token stays owed an answer, also where it is refused.
    pub fn handle_head(&mut self, head: &Head) -> (ChunkToken, Result<(), Refusal>) {
        self.tokens += 1;
        let token = ChunkToken(self.tokens);
        self.current = Some(token);
        let failure_report = head.failure_report();
        if failure_report != FailureReport::No {
            self.owed.insert(token, Owed::by(head, failure_report));
        }
        let range = head.byte_range().ok().flatten();
        self.reached = range.map_or(0, |range| range.offset());
        (token, self.judge(head, range))
    }

    /// Books body octets of the SEND whose head came last.
    pub fn handle_body(&mut self, octets: usize) -> Result<(), Refusal> {
        self.reached = self.reached.saturating_add(octets as u64);
        match self
            .rules
            .max_size
            .is_some_and(|limit| self.reached > limit)
        {
            true => Err(Refusal::TooLarge),
            false => Ok(()),
        }
    }

    /// Tells whether the SEND that comes in now is `token`, not refused yet.
    pub fn is_wanted(&self, token: ChunkToken) -> bool {
        self.current == Some(token)
    }

    /// Returns the response that `token` is owed, if its Failure-Report wants one and none was
    /// given yet.
    pub fn respond(&mut self, token: ChunkToken, code: u16) -> Option<Answer> {
        if self.current == Some(token) && !report::is_success(code) {
            self.current = None;
        }
        let owed = self.owed.remove(&token)?;
        owed.failure_report.answers(code).then_some(Answer {
            transaction_id: owed.transaction_id,
            to_path: owed.to_path,
            code,
        })
    }

    /// Returns the responses that all unanswered SENDs are owed when the session ends: there is
    /// no such session any more.
    pub fn handle_closed(&mut self) -> Vec<Answer> {
        let mut unanswered: Vec<_> = self.owed.keys().copied().collect();
        unanswered.sort_unstable();
        self.current = None;
        unanswered
            .into_iter()
            .filter_map(|token| self.respond(token, 481))
            .collect()
    }

    /// Starts a chunk on its way out.
    pub fn start(&mut self, failure_report: FailureReport) -> OutgoingId {
        self.outgoing += 1;
        let id = OutgoingId(self.outgoing);
        let sent = Sent {
            open: 0,
            ended: false,
            failure_report,
        };
        self.sent.insert(id, sent);
        id
    }

    /// Notes that a SEND went out for `id`.
    pub fn handle_sent(&mut self, id: OutgoingId) {
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.open += 1;
        }
    }

    /// Notes that no further SEND goes out for `id`; returns its fate if it is known already.
    pub fn handle_ended(&mut self, id: OutgoingId) -> Option<u16> {
        let sent = self.sent.get_mut(&id)?;
        sent.ended = true;
        match sent.failure_report.duties().answer_success {
            true => self.settle(id),
            false => {
                // Errors may still come; their absence never will be told.
                self.sent.remove(&id);
                None
            }
        }
    }

    /// Takes the status of one SEND of `id`: a response, or 408 for silence. Returns the fate
    /// of the whole chunk once: the first error at once, success when all of it was taken. A
    /// chunk that wants only errors is forgotten at its end, so each error to it is told.
    pub fn handle_status(
        &mut self,
        id: OutgoingId,
        failure_report: FailureReport,
        code: u16,
    ) -> Option<u16> {
        if !report::is_success(code) {
            let known = self.sent.remove(&id).is_some();
            return (known || !failure_report.duties().answer_success).then_some(code);
        }
        let sent = self.sent.get_mut(&id)?;
        sent.open = sent.open.saturating_sub(1);
        self.settle(id)
    }

    fn settle(&mut self, id: OutgoingId) -> Option<u16> {
        let sent = self.sent.get(&id)?;
        if !sent.ended || sent.open > 0 {
            return None;
        }
        self.sent.remove(&id);
        Some(200)
    }

    fn judge(&self, head: &Head, range: Option<ByteRange>) -> Result<(), Refusal> {
        if head.has_body() && !self.rules.accepts(head.content_type().unwrap_or_default()) {
            return Err(Refusal::MediaType);
        }
        let announced = range.and_then(|range| range.total.or(range.last));
        let announced = announced.unwrap_or(0).max(self.reached);
        match self.rules.max_size.is_some_and(|limit| announced > limit) {
            true => Err(Refusal::TooLarge),
            false => Ok(()),
        }
    }
}

impl Owed {
    /// Keeps copies: a slice would keep its whole read buffer alive.
    fn by(head: &Head, failure_report: FailureReport) -> Self {
        Self {
            transaction_id: Bytes::copy_from_slice(head.transaction_id()),
            to_path: Bytes::copy_from_slice(previous_hop(head)),
            failure_report,
        }
    }
}

/// Returns where a response to a SEND goes: the first URI of its From-Path.
pub fn previous_hop(head: &Head) -> &[u8] {
    let path = head.from_path_text().unwrap_or_default();
    let end = memchr::memchr(b' ', path).unwrap_or(path.len());
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msrp::{HeadBuilder, Method};

    fn send(fields: &[(&str, &str)]) -> Head {
        let from = "msrp://relay.example.com:2/r;tcp msrp://a.example.com:1/a;tcp";
        let to = "msrp://b.example.com:1/b;tcp";
        let head = HeadBuilder::request("d93kswow", Method::Send, to, from);
        let head = fields
            .iter()
            .fold(head, |head, (name, value)| head.field(name, value));
        head.build(true).unwrap()
    }

    fn text_only(max_size: u64) -> Session {
        Session::new(Rules {
            accept_types: vec!["text/*".into(), "message/cpim".into()],
            max_size: Some(max_size),
        })
    }

    #[test]
    fn answer_goes_to_the_previous_hop_once() {
        let mut session = text_only(100);
        let (token, verdict) = session.handle_head(&send(&[("Content-Type", "Text/plain; x=y")]));
        assert_eq!(verdict, Ok(()));
        let answer = session.respond(token, 200).unwrap();
        assert_eq!(answer.transaction_id, "d93kswow");
        assert_eq!(answer.to_path, "msrp://relay.example.com:2/r;tcp");
        assert_eq!(session.respond(token, 200), None);
    }

    #[test]
    fn partial_is_answered_by_errors_only_and_no_by_nothing() {
        for (word, code, answered) in [
            ("partial", 200, false),
            ("partial", 413, true),
            ("no", 200, false),
            ("no", 413, false),
        ] {
            let mut session = text_only(100);
            let head = send(&[("Failure-Report", word), ("Content-Type", "text/plain")]);
            let (token, _) = session.handle_head(&head);
            assert_eq!(
                session.respond(token, code).is_some(),
                answered,
                "{word} {code}"
            );
            assert_eq!(session.unanswered(), 0);
        }
    }

    #[test]
    fn media_type_that_was_not_offered_is_refused() {
        let mut session = text_only(100);
        let (_, verdict) = session.handle_head(&send(&[("Content-Type", "image/png")]));
        assert_eq!(verdict, Err(Refusal::MediaType));
        assert_eq!(Refusal::MediaType.status(), 415);
    }

    #[test]
    fn announced_size_over_the_limit_is_refused_at_the_head() {
        let mut session = text_only(100);
        let head = send(&[("Byte-Range", "1-*/101"), ("Content-Type", "text/plain")]);
        assert_eq!(session.handle_head(&head).1, Err(Refusal::TooLarge));
    }

    #[test]
    fn unannounced_size_is_refused_where_the_body_passes_the_limit() {
        let mut session = text_only(100);
        let head = send(&[("Byte-Range", "51-*/*"), ("Content-Type", "text/plain")]);
        assert_eq!(session.handle_head(&head).1, Ok(()));
        assert_eq!(session.handle_body(50), Ok(()));
        assert_eq!(session.handle_body(1), Err(Refusal::TooLarge));
    }

    #[test]
    fn chunk_sent_in_pieces_succeeds_when_all_of_them_did() {
        let mut session = Session::new(Rules::default());
        let id = session.start(FailureReport::Yes);
        session.handle_sent(id);
        session.handle_sent(id);
        assert_eq!(session.handle_status(id, FailureReport::Yes, 200), None);
        assert_eq!(session.handle_ended(id), None);
        assert_eq!(
            session.handle_status(id, FailureReport::Yes, 200),
            Some(200)
        );
        assert_eq!(session.handle_status(id, FailureReport::Yes, 200), None);
    }

    #[test]
    fn unanswered_sends_are_answered_481_when_the_session_ends() {
        let mut session = text_only(100);
        let (token, _) = session.handle_head(&send(&[("Content-Type", "text/plain")]));
        let silent = send(&[("Failure-Report", "no"), ("Content-Type", "text/plain")]);
        let _ = session.handle_head(&silent);
        let answers = session.handle_closed();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].code, 481);
        assert!(!session.is_wanted(token));
    }

    #[test]
    fn first_error_is_told_at_once() {
        let mut session = Session::new(Rules::default());
        let id = session.start(FailureReport::Yes);
        session.handle_sent(id);
        assert_eq!(
            session.handle_status(id, FailureReport::Yes, 413),
            Some(413)
        );
        assert_eq!(session.handle_status(id, FailureReport::Yes, 481), None);
        assert_eq!(session.handle_ended(id), None);
    }

    #[test]
    fn error_to_a_partial_chunk_is_told_after_its_end() {
        let mut session = Session::new(Rules::default());
        let id = session.start(FailureReport::Partial);
        session.handle_sent(id);
        assert_eq!(session.handle_ended(id), None);
        assert_eq!(
            session.handle_status(id, FailureReport::Partial, 403),
            Some(403)
        );
    }
}
