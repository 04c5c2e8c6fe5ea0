//! Who gets what among the sessions of a trunk.
use super::{Moved, Strand, TrunkEvent, reports::Reports};
use crate::msrp::{
    ChunkToken, FailureReport, Head, OutgoingId,
    actor::{
        CloseReason, Inbound, SessionEvent, SessionHandle,
        lane::{Lane, NO_SESSION, Valve},
    },
};
use actix::Recipient;
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
};

/// Stop sending this message: what one is told whose message is coming anew by another session.
const STOP: u16 = 413;
/// Messages of the far side that are remembered as cut off.
const MOST_ORPHANS: usize = 256;

/// All lanes of a trunk.
pub(super) struct Strands {
    far: SessionHandle,
    valve: Rc<Valve>,
    near: BTreeMap<Strand, Near>,
    joined: u64,
    /// Who spoke last.
    latest: Option<Strand>,
    /// Who gets the SEND of the far side that comes in now.
    receiver: Option<(ChunkToken, Strand)>,
    reports: Reports,
    /// Messages of the far side whose receiver left before their end: no other session gets the
    /// rest.
    orphans: HashSet<Bytes>,
    /// SENDs of sessions that have left, not answered yet.
    trailing: HashSet<OutgoingId>,
    /// Something went through since the trunk rested.
    busy: bool,
    owner: Option<Recipient<TrunkEvent>>,
}

/// One near session.
struct Near {
    session: SessionHandle,
    outward: Lane,
    inward: Lane,
    moved: Moved,
}

impl Strands {
    pub(super) fn over(far: &SessionHandle, owner: Recipient<TrunkEvent>) -> Self {
        Self {
            far: far.clone(),
            valve: Valve::of(far),
            near: BTreeMap::new(),
            joined: 0,
            latest: None,
            receiver: None,
            reports: Reports::default(),
            orphans: HashSet::new(),
            trailing: HashSet::new(),
            busy: false,
            owner: Some(owner),
        }
    }

    pub(super) fn join(&mut self, session: &SessionHandle, lines: Vec<Bytes>) -> Strand {
        self.joined += 1;
        let strand = Strand(self.joined);
        let mut near = Near {
            outward: Lane::new(&Valve::of(session), self.far.clone()).adding(lines),
            inward: Lane::new(&self.valve, session.clone()),
            session: session.clone(),
            moved: Moved::default(),
        };
        near.outward.check_way();
        near.inward.check_way();
        self.near.insert(strand, near);
        strand
    }

    pub(super) fn moved(&self, strand: Strand) -> Moved {
        self.near
            .get(&strand)
            .map(|near| near.moved)
            .unwrap_or_default()
    }

    pub(super) fn is_quiet(&self) -> bool {
        let mut near = self.near.values();
        self.trailing.is_empty()
            && near.all(|near| near.outward.is_quiet() && near.inward.is_quiet())
    }

    pub(super) fn take_near(&mut self, strand: Strand, events: &mut Vec<SessionEvent>) {
        for event in events.drain(..) {
            self.take_from(strand, event);
        }
        if let Some(near) = self.near.get_mut(&strand) {
            near.outward.pass_on();
        }
        self.check_rest();
    }

    fn take_from(&mut self, strand: Strand, event: SessionEvent) {
        if let SessionEvent::Head(inbound) = &event
            && !self.claim(strand, inbound)
        {
            return;
        }
        let Some(near) = self.near.get_mut(&strand) else {
            return;
        };
        match event {
            SessionEvent::Head(inbound) => {
                (self.latest, self.busy) = (Some(strand), true);
                near.outward.take_head(inbound);
            }
            SessionEvent::Body(chunk, octets) => {
                near.moved.octets += octets.len() as u64;
                near.outward.take_body(chunk, octets);
            }
            SessionEvent::End(chunk, flag) => {
                near.moved.chunks += 1;
                near.outward.take_end(chunk, flag);
            }
            SessionEvent::Report(head) => near.outward.take_report(head),
            SessionEvent::Nickname(request) => near.outward.take_nickname(request),
            SessionEvent::Response { transaction, code } => {
                near.inward.take_response(transaction, code);
            }
            SessionEvent::Bound | SessionEvent::Writable => near.inward.open_way(),
            SessionEvent::Full => near.inward.block_way(),
            SessionEvent::Closed(reason) => self.lose(strand, reason),
        }
    }

    /// Makes `strand` the one whose chunks of a message go on. A message that begins anew is given
    /// up where it came from before: its sender tries again. Chunks that still come there are
    /// refused, so that no message is put together from two attempts.
    fn claim(&mut self, strand: Strand, inbound: &Inbound) -> bool {
        let head = &inbound.head;
        let id = head.value_bytes("Message-ID").unwrap_or_default();
        let anew = is_start(head);
        let mut others = self.near.iter_mut().filter(|(other, _)| **other != strand);
        if let Some((_, other)) = others.find(|(_, near)| near.outward.has_begun(&id)) {
            match anew {
                true => other.outward.give_up(&id, STOP),
                false => {
                    if let Some(near) = self.near.get(&strand) {
                        near.session.respond(inbound.chunk, STOP);
                    }
                    return false;
                }
            }
        }
        if anew && (head.success_report() || head.failure_report() != FailureReport::No) {
            self.reports.note(&id, strand);
        }
        true
    }

    fn lose(&mut self, strand: Strand, reason: CloseReason) {
        let Some(mut near) = self.near.remove(&strand) else {
            return;
        };
        self.trailing.extend(near.outward.unanswered());
        near.outward.lose_source();
        for id in near.inward.begun() {
            if self.orphans.len() < MOST_ORPHANS {
                self.orphans.insert(Bytes::copy_from_slice(id));
            }
        }
        near.inward.lose_way();
        self.latest = self.latest.filter(|latest| *latest != strand);
        self.tell(TrunkEvent::Left { strand, reason });
    }

    pub(super) fn take_far(&mut self, events: &mut Vec<SessionEvent>) {
        for event in events.drain(..) {
            match event {
                SessionEvent::Head(inbound) => self.take_far_head(inbound),
                SessionEvent::Body(chunk, octets) => {
                    if let Some(near) = self.receiving(chunk) {
                        near.moved.octets += octets.len() as u64;
                        near.inward.take_body(chunk, octets);
                    }
                }
                SessionEvent::End(chunk, flag) => {
                    if let Some(near) = self.receiving(chunk) {
                        near.moved.chunks += 1;
                        near.inward.take_end(chunk, flag);
                    }
                }
                SessionEvent::Report(head) => self.take_far_report(head),
                // only the chat room's end knows nicknames: refused as it is dropped
                SessionEvent::Nickname(_) => {}
                SessionEvent::Response { transaction, code } => {
                    self.trailing.remove(&transaction);
                    let near = self.near.values_mut();
                    near.for_each(|near| near.outward.take_response(transaction, code));
                }
                SessionEvent::Bound => {
                    self.tell(TrunkEvent::Bound);
                    self.outward().for_each(Lane::open_way);
                }
                SessionEvent::Writable => self.outward().for_each(Lane::open_way),
                SessionEvent::Full => self.outward().for_each(Lane::block_way),
                SessionEvent::Closed(reason) => self.lose_far(reason),
            }
        }
        if let Some((_, receiver)) = self.receiver
            && let Some(near) = self.near.get_mut(&receiver)
        {
            near.inward.pass_on();
        }
        self.check_rest();
    }

    fn check_rest(&mut self) {
        if self.busy && self.is_quiet() {
            self.busy = false;
            self.tell(TrunkEvent::Rested);
        }
    }

    fn take_far_head(&mut self, inbound: Inbound) {
        self.receiver = None;
        let id = inbound.head.value_bytes("Message-ID").unwrap_or_default();
        if is_start(&inbound.head) {
            self.orphans.remove(&id);
        }
        match self.receiver_of(&id) {
            Some(strand) if !self.orphans.contains(&id) => {
                self.receiver = Some((inbound.chunk, strand));
                if let Some(near) = self.near.get_mut(&strand) {
                    near.inward.take_head(inbound);
                }
            }
            _ => self.far.respond(inbound.chunk, NO_SESSION),
        }
    }

    /// Who has the beginning of a message gets the rest; otherwise who spoke last, or came last.
    fn receiver_of(&self, id: &[u8]) -> Option<Strand> {
        let mut near = self.near.iter();
        let begun = near.find(|(_, near)| near.inward.has_begun(id));
        let bound = || {
            let mut near = self.near.iter().rev();
            near.find(|(_, near)| near.session.is_bound())
        };
        let newest = || self.near.iter().next_back();
        let latest = self.latest.filter(|latest| self.near.contains_key(latest));
        let found = begun.map(|(strand, _)| *strand).or(latest);
        found.or_else(|| bound().or_else(newest).map(|(strand, _)| *strand))
    }

    fn take_far_report(&mut self, head: Head) {
        let id = head.value_bytes("Message-ID").unwrap_or_default();
        // one whose sender has left has nobody to go to
        if let Some(sender) = self.reports.sender(&id)
            && let Some(near) = self.near.get_mut(&sender)
        {
            near.inward.take_report(head);
        }
    }

    fn lose_far(&mut self, reason: CloseReason) {
        self.trailing.clear();
        for near in self.near.values_mut() {
            near.outward.lose_way();
            near.inward.lose_source();
        }
        self.tell(TrunkEvent::Ended { reason });
        self.owner = None;
    }

    fn receiving(&mut self, chunk: ChunkToken) -> Option<&mut Near> {
        let (_, strand) = self.receiver.filter(|(current, _)| *current == chunk)?;
        self.near.get_mut(&strand)
    }

    fn outward(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.near.values_mut().map(|near| &mut near.outward)
    }

    fn tell(&self, event: TrunkEvent) {
        if let Some(owner) = &self.owner {
            // a handful for each session, to the one who has them all
            owner.do_send(event);
        }
    }
}

/// Tells whether the first octet of a message is in this chunk.
fn is_start(head: &Head) -> bool {
    let range = head.byte_range().ok().flatten();
    range.is_none_or(|range| range.offset() == 0)
}
