//! Requests that come in on a connection: whose they are, and who may not have them.
use super::{Current, HopActor};
use crate::{
    msrp::{
        Continuation, FailureReport, Head, Method,
        actor::{Direction, Inbound, NicknameRequest, SessionEvent, session::State},
        hop::{Admission, Place, admit},
        session::{Answer, previous_hop},
        uri,
    },
    trail,
};
use bytes::Bytes;
use std::rc::Rc;

impl HopActor {
    /// Returns the shard that owns what a request names, if that is another one.
    fn foreign_owner(&self, head: &Head) -> Option<usize> {
        let board = &self.link.board;
        let is_foreign = |shard: &usize| *shard != board.shard && board.exchange.has_door(*shard);
        board.owner_of(head).filter(is_foreign)
    }

    pub(super) fn take_request(&mut self, head: Head) -> Current {
        if let Err(error) = head.check() {
            return self.refuse(&head, error.status(), error.kind());
        }
        let (session, place) = self.find(&head);
        if session.is_none() {
            if let Some(current) = self.take_relayed(&head) {
                return current;
            }
            if let Some(shard) = self.foreign_owner(&head) {
                return self.take_foreign(head, shard);
            }
        }
        self.link.show(Direction::Received, head.octets());
        let is_send = head.is_send();
        match (admit(place, is_send), session) {
            (Admission::Take, Some(session)) => self.give(session, head),
            (Admission::Bind, Some(session)) => {
                session.learn_remote(head.from_path_text().unwrap_or_default());
                session.bind(&self.link);
                self.give(session, head)
            }
            (Admission::Refuse(506), _) => self.refuse(&head, 506, "bound_elsewhere"),
            _ if self.is_unbelieved(&head) => {
                tracing::warn!(
                    peer = %self.link.peer,
                    "a peer with another certificate than announced was turned away"
                );
                self.refuse(&head, 481, "certificate")
            }
            _ => self.refuse(&head, 481, "no_session"),
        }
    }

    fn give(&self, session: Rc<State>, head: Head) -> Current {
        match head.method() {
            Some(Method::Send) if head.has_body() => self.open_chunk(session, head),
            Some(Method::Send) => Current::Bodiless(session, head),
            Some(Method::Report) => {
                session.push(SessionEvent::Report(head));
                Current::Nobody
            }
            Some(Method::Nickname) => {
                let request = NicknameRequest::new(&self.link, head);
                session.push(SessionEvent::Nickname(request));
                Current::Nobody
            }
            _ => self.refuse(&head, 501, "unknown_method"),
        }
    }

    pub(super) fn open_chunk(&self, session: Rc<State>, head: Head) -> Current {
        let metrics = &self.link.board.metrics;
        metrics.chunks_in.increment(1);
        let (token, verdict) = session.machine.borrow_mut().handle_head(&head);
        match verdict {
            Ok(()) => {
                session.push(SessionEvent::Head(Inbound { chunk: token, head }));
                Current::Chunk(session, token)
            }
            Err(refusal) => {
                metrics.refused(refusal.kind());
                session.respond(token, refusal.status());
                Current::Nobody
            }
        }
    }

    /// Most SENDs without a body only bind or keep alive; some end or abort a message.
    pub(super) fn take_bodiless(&self, session: Rc<State>, head: Head, flag: Continuation) {
        let range = head.byte_range().ok().flatten();
        let is_idle = flag == Continuation::Complete
            && range.is_none_or(|range| range.offset() == 0 && range.total.unwrap_or(0) == 0);
        if !is_idle {
            if let Current::Chunk(session, token) = self.open_chunk(session, head) {
                session.push(SessionEvent::End(token, flag));
            }
            return;
        }
        let (token, _) = session.machine.borrow_mut().handle_head(&head);
        session.respond(token, 200);
    }

    pub(in crate::msrp::actor) fn find(&self, head: &Head) -> (Option<Rc<State>>, Place) {
        let path = head.to_path_text().unwrap_or_default();
        let session = uri::session_id_of(path).and_then(|id| self.link.board.session(id));
        let session =
            session.filter(|session| session.is_named_by(path) && session.may_come_by(&self.link));
        let place = match session.as_ref().map(|session| session.is_on(&self.link)) {
            None => Place::Unknown,
            Some(None) => Place::Waiting,
            Some(Some(true)) => Place::Here,
            Some(Some(false)) => Place::Elsewhere,
        };
        (session, place)
    }

    /// Whether there is such a session, but not for who shows this certificate.
    fn is_unbelieved(&self, head: &Head) -> bool {
        let path = head.to_path_text().unwrap_or_default();
        let session = uri::session_id_of(path).and_then(|id| self.link.board.session(id));
        session.is_some_and(|session| session.is_named_by(path) && !session.may_come_by(&self.link))
    }

    /// Answers a request that no session takes, where an answer is allowed (RFC 4975 §7.2).
    pub(in crate::msrp::actor) fn refuse(
        &self,
        head: &Head,
        code: u16,
        reason: &'static str,
    ) -> Current {
        self.link.board.metrics.refused(reason);
        tracing::debug!(
            target: trail::TARGET,
            peer = %self.link.peer,
            message_id = head.message_id().unwrap_or_default(),
            code,
            reason,
            "MSRP request refused"
        );
        let is_report = head.method() == Some(Method::Report);
        let is_silent = head.failure_report() == FailureReport::No;
        let path = match head.method() {
            Some(Method::Send) => previous_hop(head),
            _ => head.from_path_text().unwrap_or_default(),
        };
        if !is_report && !is_silent && !path.is_empty() {
            let answer = Answer {
                transaction_id: Bytes::copy_from_slice(head.transaction_id()),
                to_path: Bytes::copy_from_slice(path),
                code,
            };
            self.link
                .answer(&answer, head.to_path_text().unwrap_or_default());
        }
        Current::Nobody
    }
}
