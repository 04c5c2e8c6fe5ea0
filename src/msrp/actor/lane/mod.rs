//! One direction between two sessions that are joined.
mod ending;
mod unfinished;
mod valve;

pub(super) use valve::Valve;

use crate::{
    msrp::{
        ChunkToken, Continuation, FailureReport, Head, OutgoingHead, OutgoingId,
        actor::{Inbound, NicknameRequest, SendError, SessionHandle},
    },
    net::Pressure,
    trail,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};
use unfinished::Unfinished;

/// Chunks that want to hear of errors only are remembered this long.
const QUIET: usize = 256;
/// Octets that may wait for a far side which is not bound yet before the near side is read no
/// more. Not at once: both sides may share the near side's connection, and then the very request
/// that binds the far side stands behind what waits.
const EARLY: usize = 64 * 1024;
/// No such session: what a sender is told whose receiver is gone.
pub(super) const NO_SESSION: u16 = 481;

/// From one session to the other.
pub(super) struct Lane {
    from: SessionHandle,
    to: SessionHandle,
    valve: Rc<Valve>,
    /// This lane holds the valve shut.
    holds: bool,
    /// The far side takes no more now.
    blocked: bool,
    /// The far side is over.
    lost: bool,
    /// What came before the far side was bound; at most `EARLY` and what one read brought.
    early: VecDeque<Early>,
    early_octets: usize,
    current: Option<Passing>,
    /// Messages whose last chunk has not come yet.
    unfinished: Unfinished,
    /// Header lines that every SEND gets on its way.
    added: Vec<Bytes>,
    /// Sent on, not answered yet.
    under_way: HashMap<OutgoingId, ChunkToken>,
    /// Those of them that only an error answers, oldest first.
    quiet: VecDeque<OutgoingId>,
}

enum Early {
    Head(Inbound),
    Body(ChunkToken, Bytes),
    End(ChunkToken, Continuation),
    Report(Head),
}

/// The chunk that comes in now.
struct Passing {
    chunk: ChunkToken,
    head: OutgoingHead,
    /// Octets kept back while the whole chunk may be here in this read.
    pieces: SmallVec<[Bytes; 4]>,
    outgoing: Option<OutgoingId>,
}

impl Lane {
    /// A lane that stops what it comes from by `valve`.
    pub(super) fn new(valve: &Rc<Valve>, to: SessionHandle) -> Self {
        Self {
            from: valve.session().clone(),
            valve: valve.clone(),
            holds: false,
            blocked: false,
            lost: to.is_closed(),
            early: VecDeque::new(),
            early_octets: 0,
            current: None,
            unfinished: Unfinished::default(),
            added: Vec::new(),
            under_way: HashMap::new(),
            quiet: VecDeque::new(),
            to,
        }
    }

    /// Adds these header lines to every SEND.
    pub(super) fn adding(mut self, lines: Vec<Bytes>) -> Self {
        self.added = lines;
        self
    }

    pub(super) fn take_head(&mut self, inbound: Inbound) {
        if self.must_wait() {
            return self.early.push_back(Early::Head(inbound));
        }
        self.tell(&inbound.head);
        let mut head = OutgoingHead::forwarding(&inbound.head);
        head.extra.extend(self.added.iter().cloned());
        self.current = Some(Passing {
            chunk: inbound.chunk,
            head,
            pieces: SmallVec::new(),
            outgoing: None,
        });
    }

    /// A line for whoever follows a message: it passes here.
    fn tell(&self, head: &Head) {
        let range = || head.byte_range().ok().flatten();
        if trail::enabled() && range().is_none_or(|range| range.offset() == 0) {
            tracing::debug!(
                target: trail::TARGET,
                message_id = head.message_id().unwrap_or_default(),
                session = %self.from.local_uri(),
                onward = %self.to.local_uri(),
                "passes"
            );
        }
    }

    pub(super) fn take_body(&mut self, chunk: ChunkToken, octets: Bytes) {
        if self.must_wait() {
            self.early_octets += octets.len();
            return self.early.push_back(Early::Body(chunk, octets));
        }
        let Some(passing) = self.passing(chunk) else {
            return;
        };
        match passing.outgoing {
            None => passing.pieces.push(octets),
            Some(id) => {
                let taken = self.to.body(id, octets);
                self.judge(taken.map(|_| ()));
            }
        }
    }

    pub(super) fn take_end(&mut self, chunk: ChunkToken, flag: Continuation) {
        if self.must_wait() {
            return self.early.push_back(Early::End(chunk, flag));
        }
        if self.passing(chunk).is_none() {
            return;
        }
        let Some(passing) = self.current.take() else {
            return;
        };
        let failure_report = passing.head.failure_report;
        self.unfinished.note(&passing.head, flag);
        let sent = match passing.outgoing {
            Some(id) => self.to.end(id, flag).map(|()| id),
            None => self.to.send_regardless(passing.head, &passing.pieces, flag),
        };
        match sent {
            Ok(id) => self.note(id, chunk, failure_report),
            Err(_) => self.from.respond(chunk, NO_SESSION),
        }
    }

    pub(super) fn take_report(&mut self, head: Head) {
        if self.must_wait() {
            return self.early.push_back(Early::Report(head));
        }
        // a report whose receiver is gone has nobody to go to (RFC 4975 §7.1.2)
        let _ = self.to.forward_report(&head);
    }

    /// Passes a NICKNAME on; before the far side is there, nobody knows of nicknames.
    pub(super) fn take_nickname(&self, request: NicknameRequest) {
        self.to.pass_nickname(request);
    }

    /// The far side answered.
    pub(super) fn take_response(&mut self, id: OutgoingId, code: u16) {
        if let Some(chunk) = self.under_way.remove(&id) {
            self.from.respond(chunk, code);
            return;
        }
        let is_current = |passing: &&Passing| passing.outgoing == Some(id);
        if self
            .current
            .as_ref()
            .is_some_and(|passing| is_current(&passing))
            && let Some(passing) = self.current.take()
        {
            // the far side has refused it: it learns that no more will come
            self.abort_open(&passing);
            self.from.respond(passing.chunk, code);
        }
    }

    /// One read is worked off: what is not complete goes on in pieces.
    pub(super) fn pass_on(&mut self) {
        if self.must_wait() {
            self.check_way();
            return;
        }
        let Some(passing) = self.current.as_mut() else {
            return self.check_way();
        };
        if passing.outgoing.is_none() && !passing.pieces.is_empty() {
            let pieces = std::mem::take(&mut passing.pieces);
            let begun = self
                .to
                .begin_regardless(passing.head.clone())
                .and_then(|id| {
                    passing.outgoing = Some(id);
                    pieces
                        .into_iter()
                        .try_for_each(|piece| self.to.body(id, piece).map(|_| ()))
                });
            self.judge(begun);
        }
        self.check_way();
    }

    pub(super) fn open_way(&mut self) {
        self.blocked = false;
        if !self.must_wait() {
            self.early_octets = 0;
        }
        while !self.must_wait()
            && let Some(early) = self.early.pop_front()
        {
            match early {
                Early::Head(inbound) => self.take_head(inbound),
                Early::Body(chunk, octets) => self.take_body(chunk, octets),
                Early::End(chunk, flag) => self.take_end(chunk, flag),
                Early::Report(head) => self.take_report(head),
            }
        }
        self.pass_on();
    }

    pub(super) fn block_way(&mut self) {
        self.blocked = true;
        self.check_way();
    }

    /// Reads the near side only while the far side can take what it brings.
    pub(super) fn check_way(&mut self) {
        let is_bound = self.to.is_bound();
        if !self.lost && !self.blocked && is_bound && self.to.pressure() == Pressure::High {
            self.blocked = true;
            self.to.await_writable();
        }
        let is_early = !is_bound && self.early_octets > EARLY;
        let holds = !self.lost && (self.blocked || is_early);
        if holds != std::mem::replace(&mut self.holds, holds) {
            self.valve.turn(holds);
        }
    }

    fn must_wait(&self) -> bool {
        !self.lost && !self.to.is_bound()
    }

    fn passing(&mut self, chunk: ChunkToken) -> Option<&mut Passing> {
        self.current
            .as_mut()
            .filter(|passing| passing.chunk == chunk)
    }

    fn note(&mut self, id: OutgoingId, chunk: ChunkToken, failure_report: FailureReport) {
        match failure_report {
            FailureReport::No => {}
            FailureReport::Yes => {
                self.under_way.insert(id, chunk);
            }
            FailureReport::Partial => {
                self.under_way.insert(id, chunk);
                self.quiet.push_back(id);
                if self.quiet.len() > QUIET
                    && let Some(oldest) = self.quiet.pop_front()
                    && let Some(chunk) = self.under_way.remove(&oldest)
                {
                    self.from.respond(chunk, 200);
                }
            }
        }
    }

    /// A chunk that cannot go on is refused, as far as it has come.
    fn judge(&mut self, sent: Result<(), SendError>) {
        if sent.is_err()
            && let Some(passing) = self.current.take()
        {
            self.from.respond(passing.chunk, NO_SESSION);
        }
    }
}
