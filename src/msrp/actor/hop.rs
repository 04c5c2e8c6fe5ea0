//! The actor of one connection: it owns the stream and takes each read as one batch.
mod intake;
mod request;

pub(super) use intake::Intake;

use super::{
    CloseReason, Direction, SessionEvent,
    bypass::Bypass,
    link::Link,
    relaying::{Carried, Passage, Route, Step},
    session::State,
    transaction::Whose,
};
use crate::{
    clock,
    msrp::{ChunkToken, Continuation, Decoder, Frame, Head, Kind, Whole},
    net::{Inlet, ReadError},
};
use actix::prelude::*;
use bytes::Bytes;
use intake::Batch;
use std::{collections::HashMap, rc::Rc, time::Duration};

/// How long a peer may take to close its half after we closed ours.
const FAREWELL: Duration = Duration::from_secs(2);

/// The connection is over: leave when the peer has closed its half, too.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave;

/// What stood in the way of a request that was held back may be gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Resume;

/// The connection is to go on at another shard.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Move {
    pub(super) shard: usize,
}

/// Owns the inbound half of a connection.
pub(super) struct HopActor {
    pub(super) link: Rc<Link>,
    current: Current,
    pub(super) intake: Intake,
    first: Vec<Frame>,
    /// Ways to other shards that own sessions on this connection.
    pub(super) bypasses: HashMap<usize, Rc<Bypass>>,
    /// Flows that take one of them, by their path lines: they stay there even if their client
    /// moves, so that nothing overtakes what is under way.
    pub(super) detours: HashMap<Bytes, usize>,
    /// The way that the last relayed SEND took.
    pub(super) last: Option<Rc<Route>>,
    /// Frames that wait for their far side. The connection is not read while there are any.
    pub(super) held: Vec<Frame>,
    is_holding: bool,
    /// What this read brought the relay.
    pub(super) passed: u64,
    pub(super) octets: u64,
}

/// The request or response whose frames come in.
pub(super) enum Current {
    /// Nobody wants the rest of it.
    Nobody,
    /// A SEND for a session.
    Chunk(Rc<State>, ChunkToken),
    /// A SEND without a body: what it means is known at its end.
    Bodiless(Rc<State>, Head),
    /// Something for another shard.
    Foreign(Rc<Bypass>, Head),
    /// A SEND that goes on while it comes in.
    Passing(Box<Passage>),
    /// Something short that goes on at its end.
    Carrying(Box<Carried>),
    /// Something that cannot go on yet.
    Held(Head),
}

impl HopActor {
    pub(super) fn start_with(link: Rc<Link>, inlet: Inlet<Decoder>, first: Vec<Frame>) {
        let actor = Self {
            link: link.clone(),
            current: Current::Nobody,
            intake: Intake::of(inlet),
            first,
            bypasses: HashMap::new(),
            detours: HashMap::new(),
            last: None,
            held: Vec::new(),
            is_holding: false,
            passed: 0,
            octets: 0,
        };
        link.owned_by(actor.start());
    }

    fn take_batch(&mut self, frames: Vec<Frame>) {
        self.link.board.collect();
        let read_at = self.link.board.must_sample().then(clock::now);
        for frame in frames {
            self.take_frame(frame);
        }
        for bypass in self.bypasses.values() {
            bypass.flush();
        }
        if self.passed > 0 {
            self.link.note_passed(self.passed, self.octets);
            (self.passed, self.octets) = (0, 0);
        }
        self.link.board.run();
        if let Some(read_at) = read_at {
            self.link.board.metrics.turn.record(read_at.elapsed());
        }
    }

    fn take_frame(&mut self, frame: Frame) {
        if self.is_holding {
            return self.held.push(frame);
        }
        match frame {
            Frame::Whole(whole) => self.take_whole(whole),
            Frame::Head(head) => self.take_head(head),
            Frame::Body(octets) => self.take_body(octets),
            Frame::End(flag) => self.take_end(flag),
        }
    }

    fn take_whole(&mut self, whole: Whole) {
        let mut step = self.pass_whole(&whole);
        if matches!(step, Step::Unknown) && self.begins_flow(whole.head()) {
            step = self.pass_whole(&whole);
        }
        match step {
            Step::Passed => self.link.show(Direction::Received, whole.head().octets()),
            Step::Full(out) => {
                out.feed(&self.link);
                self.hold();
                self.held.push(Frame::Whole(whole));
            }
            Step::Unknown => whole.split().for_each(|frame| self.take_frame(frame)),
        }
    }

    /// Stops reading until [`Resume`]; the caller says what comes first then.
    pub(super) fn hold(&mut self) {
        if !std::mem::replace(&mut self.is_holding, true) {
            self.link.gate.close();
        }
    }

    fn take_head(&mut self, head: Head) {
        self.current = match head.kind() {
            Kind::Response { code, .. } => self.take_response(head, code),
            Kind::Request(_) => self.take_request(head),
        };
        if let Current::Held(_) = self.current
            && let Current::Held(head) = std::mem::replace(&mut self.current, Current::Nobody)
        {
            self.held.push(Frame::Head(head));
        }
    }

    fn take_response(&mut self, head: Head, code: u16) -> Current {
        self.link.show(Direction::Received, head.octets());
        self.link.board.tally.response(code);
        match self.link.answered(head.transaction_id()) {
            Some(Whose::Session(transaction)) => {
                if let Some(session) = self.link.session(transaction.session) {
                    session.take_status(transaction, code);
                }
                return Current::Nobody;
            }
            Some(Whose::Naming(naming)) => {
                naming.take_status(code);
                return Current::Nobody;
            }
            Some(whose) => return self.take_relayed_answer(whose, head, code),
            None => {}
        }
        let shard = self.link.board.owner_of(&head);
        match shard.filter(|shard| self.bypasses.contains_key(shard)) {
            Some(shard) => self.take_foreign(head, shard),
            None => {
                self.link.board.metrics.stray.increment(1);
                Current::Nobody
            }
        }
    }

    /// Sends what belongs to another shard on its way there.
    pub(super) fn take_foreign(&mut self, head: Head, shard: usize) -> Current {
        let open = self.bypasses.get(&shard).filter(|bypass| !bypass.is_over());
        let bypass = open.cloned().unwrap_or_else(|| Bypass::open(&self.link));
        self.bypasses.insert(shard, bypass.clone());
        bypass.take(&head, Frame::Head(head.clone()));
        Current::Foreign(bypass, head)
    }

    fn take_body(&mut self, octets: Bytes) {
        let (session, token) = match &mut self.current {
            Current::Chunk(session, token) => (session, token),
            Current::Foreign(bypass, head) => return bypass.take(head, Frame::Body(octets)),
            Current::Passing(_) => return self.pass_body(octets),
            Current::Carrying(carried) => return carried.body(&octets),
            _ => return,
        };
        self.link
            .board
            .metrics
            .octets_in
            .increment(octets.len() as u64);
        if !session.machine.borrow().is_wanted(*token) {
            self.current = Current::Nobody;
            return;
        }
        let verdict = session.machine.borrow_mut().handle_body(octets.len());
        match verdict {
            Ok(()) => session.push(SessionEvent::Body(*token, octets)),
            Err(refusal) => {
                self.link.board.metrics.refused(refusal.kind());
                session.respond(*token, refusal.status());
                session.push(SessionEvent::End(*token, Continuation::Aborted));
                self.current = Current::Nobody;
            }
        }
    }

    /// Lets octets of a SEND go on that is still coming in.
    fn pass_body(&mut self, octets: Bytes) {
        let Current::Passing(passage) = &mut self.current else {
            return;
        };
        if let Some(out) = passage.out().filter(|out| out.is_full(&self.link)) {
            out.feed(&self.link);
            self.hold();
            return self.held.push(Frame::Body(octets));
        }
        self.octets += octets.len() as u64;
        if passage.body(octets).is_err()
            && let Current::Passing(passage) = std::mem::replace(&mut self.current, Current::Nobody)
        {
            passage.lose();
        }
    }

    fn take_end(&mut self, flag: Continuation) {
        match std::mem::replace(&mut self.current, Current::Nobody) {
            Current::Nobody | Current::Held(_) => {}
            Current::Passing(passage) => {
                self.passed += 1;
                passage.end(flag);
            }
            Current::Carrying(carried) => carried.end(&self.link, flag),
            Current::Chunk(session, token) => {
                if session.machine.borrow().is_wanted(token) {
                    session.push(SessionEvent::End(token, flag));
                    session.check_backlog();
                }
            }
            Current::Foreign(bypass, head) => bypass.take(&head, Frame::End(flag)),
            Current::Bodiless(session, head) => self.take_bodiless(session, head, flag),
        }
    }
}

impl Actor for HopActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let first = std::mem::take(&mut self.first);
        self.take_batch(first);
        ctx.add_stream(self.intake.clone());
    }
}

impl StreamHandler<Batch> for HopActor {
    fn handle(&mut self, batch: Batch, _: &mut Self::Context) {
        match batch {
            _ if self.link.is_down() => {}
            Ok(frames) => self.take_batch(frames),
            Err(ReadError::Io(error)) => {
                tracing::debug!(peer = %self.link.peer, %error, "MSRP connection broke");
                self.link.fail(CloseReason::Broken);
            }
            Err(ReadError::Decode(error)) => {
                tracing::debug!(peer = %self.link.peer, %error, "MSRP connection lost its framing");
                self.link.board.metrics.refused(error.kind());
                self.link.fail(CloseReason::Framing);
            }
        }
        self.link.board.run();
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.link.fail(CloseReason::PeerClosed);
        self.link.board.run();
        ctx.stop();
    }
}

impl Handler<Leave> for HopActor {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        ctx.run_later(FAREWELL, |_, ctx| ctx.stop());
    }
}

impl Handler<Move> for HopActor {
    type Result = ();

    fn handle(&mut self, way: Move, ctx: &mut Self::Context) {
        match self.move_to(way) {
            true => ctx.stop(),
            // it stays, and what it brought takes the longer way
            false => ctx.notify(Resume),
        }
    }
}

impl Handler<Resume> for HopActor {
    type Result = ();

    fn handle(&mut self, _: Resume, _: &mut Self::Context) {
        if !std::mem::replace(&mut self.is_holding, false) {
            return;
        }
        self.link.gate.open();
        if !self.link.is_down() {
            let held = std::mem::take(&mut self.held);
            self.take_batch(held);
        }
    }
}

/// Covers an actor that panicked: its sessions learn that their connection is gone.
impl Drop for HopActor {
    fn drop(&mut self) {
        if let Current::Passing(passage) = std::mem::replace(&mut self.current, Current::Nobody) {
            passage.abandon();
        }
        self.link.fail(CloseReason::Internal);
        for bypass in self.bypasses.values() {
            bypass.close();
        }
    }
}
