//! The table of server transactions.
use super::{
    Dropped, Effect, End, Misplaced, News, Outgoing, Peer, ServerInvite, ServerKey, ServerOther,
    Side, Step, Timers,
    completed::{Completed, Pending},
    key,
};
use crate::sip::codec::{Builder, Message, Method, Via};
use hashbrown::HashMap;
use slab::Slab;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

pub(super) struct Servers {
    timers: Timers,
    limit: usize,
    /// Start of every To tag we make; unique among the nodes that may answer.
    tag_seed: String,
    tags: u64,
    serial: u32,
    table: Slab<Server>,
    by_key: HashMap<Arc<str>, u32>,
    deadlines: BTreeSet<(Instant, u32)>,
    scratch: String,
    completed: Vec<Completed>,
}

struct Server {
    serial: u32,
    machine: Machine,
    key: Arc<str>,
    reply_to: Peer,
    /// Kept while a `100 Trying` may still be built from it.
    invite: Option<Message>,
    /// Kept while it may have to be sent again from here; a 2xx to INVITE is repeated by its user.
    response: Option<Message>,
    /// The To tag of our responses, once the response itself is gone.
    tag: Option<Box<str>>,
    /// Until its final response.
    pending: Option<Pending>,
    armed: Option<Instant>,
}

impl Server {
    /// The To tag of our responses so far.
    fn local_tag(&self) -> Option<String> {
        if let Some(tag) = &self.tag {
            return Some(tag.to_string());
        }
        let to = self.response.as_ref()?.to().ok()?;
        to.tag().map(str::to_owned)
    }

    /// Lets go of a response that is never sent from here again: it stays for half a minute, and
    /// there may be tens of thousands.
    fn let_go(&mut self) {
        if let Machine::Invite(ServerInvite::Accepted { .. }) = self.machine {
            self.tag = self.local_tag().map(Into::into);
            self.response = None;
        }
    }
}

#[derive(Clone, Copy)]
enum Machine {
    Invite(ServerInvite),
    Other(ServerOther),
}

impl Machine {
    fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.next_timeout(),
            Self::Other(machine) => machine.next_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        matches!(
            self,
            Self::Invite(ServerInvite::Terminated) | Self::Other(ServerOther::Terminated)
        )
    }

    fn respond(
        &mut self,
        code: u16,
        timers: &Timers,
        reliable: bool,
        now: Instant,
    ) -> Result<Step, Misplaced> {
        match self {
            Self::Invite(machine) => machine.respond(code, timers, reliable, now),
            Self::Other(machine) => machine.respond(code, timers, reliable, now),
        }
    }
}

impl Servers {
    pub fn new(timers: Timers, limit: usize, tag_seed: String) -> Self {
        Self {
            timers,
            limit,
            tag_seed,
            tags: 0,
            serial: 0,
            table: Slab::new(),
            by_key: HashMap::new(),
            deadlines: BTreeSet::new(),
            scratch: String::new(),
            completed: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn knows(&mut self, request: &Message) -> bool {
        let (Some(method), Ok(via)) = (request.method(), request.via()) else {
            return false;
        };
        let written = key::write_server(request, &via, method.as_str(), &mut self.scratch);
        written.is_ok() && self.by_key.contains_key(self.scratch.as_str())
    }

    pub fn handle_request(
        &mut self,
        request: Message,
        from: Peer,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let (Some(method), Ok(via)) = (request.method(), request.via()) else {
            return effects.push_back(Effect::Dropped(Dropped::Unreadable));
        };
        let class = if method == Method::Ack {
            Method::Invite
        } else {
            method.clone()
        };
        if key::write_server(&request, &via, class.as_str(), &mut self.scratch).is_err() {
            return effects.push_back(Effect::Dropped(Dropped::Unreadable));
        }
        let known = self.by_key.get(self.scratch.as_str()).copied();
        match (known, method) {
            (Some(index), Method::Ack) => self.handle_ack(index, request, from, now, effects),
            (None, Method::Ack) => effects.push_back(Effect::Ack { request, from }),
            (Some(index), _) => self.handle_repetition(index, effects),
            (None, method) => self.open(request, method, via, from, now, effects),
        }
    }

    fn open(
        &mut self,
        request: Message,
        method: Method,
        mut via: Via,
        from: Peer,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let reply_to = reply_to(&via, from);
        let request = match via.stamp(from.addr) {
            true => request.with_top_via_stamped(&via),
            false => request,
        };
        if self.table.len() >= self.limit {
            let message = Builder::response(&request, 503)
                .to_tag(&self.next_tag())
                .build();
            effects.push_back(Effect::Send {
                to: reply_to,
                message,
                origin: None,
            });
            return effects.push_back(Effect::Dropped(Dropped::Full));
        }
        let is_invite = method == Method::Invite;
        let machine = match is_invite {
            true => Machine::Invite(ServerInvite::start(&self.timers, now)),
            false => Machine::Other(ServerOther::start(&self.timers, now)),
        };
        let pending = Pending::new(method.clone(), now);
        let key = self.insert(
            machine,
            reply_to,
            is_invite.then(|| request.clone()),
            pending,
        );
        self.arm(key.index);
        match method {
            Method::Cancel => self.handle_cancel(key, request, &via, now, effects),
            _ => effects.push_back(Effect::Incoming { key, request, from }),
        }
    }

    fn insert(
        &mut self,
        machine: Machine,
        reply_to: Peer,
        invite: Option<Message>,
        pending: Pending,
    ) -> ServerKey {
        self.serial = self.serial.wrapping_add(1);
        let key: Arc<str> = self.scratch.as_str().into();
        let index = self.table.insert(Server {
            serial: self.serial,
            machine,
            key: key.clone(),
            reply_to,
            invite,
            response: None,
            tag: None,
            pending: Some(pending),
            armed: None,
        });
        let index = u32::try_from(index).expect("the limit is far below 2^32");
        self.by_key.insert(key, index);
        ServerKey {
            index,
            serial: self.serial,
        }
    }

    /// Answers CANCEL and tells the user of the INVITE, if it is still undecided (RFC 3261 §9.2).
    fn handle_cancel(
        &mut self,
        cancel: ServerKey,
        request: Message,
        via: &Via,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let found = key::write_server(&request, via, Method::Invite.as_str(), &mut self.scratch);
        let invite = found
            .ok()
            .and_then(|()| self.by_key.get(self.scratch.as_str()).copied());
        let invite = invite.map(|index| (index, &self.table[index as usize]));
        let tag = invite.and_then(|(_, server)| server.local_tag());
        let code = if invite.is_some() { 200 } else { 481 };
        let undecided = invite.filter(|(_, server)| {
            matches!(
                server.machine,
                Machine::Invite(ServerInvite::Proceeding { .. })
            )
        });
        let cancelled = undecided.map(|(index, server)| ServerKey {
            index,
            serial: server.serial,
        });
        let tag = tag.unwrap_or_else(|| self.next_tag());
        let response = Builder::response(&request, code).to_tag(&tag).build();
        self.respond(cancel, response, now, effects)
            .expect("a new transaction takes any response");
        if let Some(key) = cancelled {
            effects.push_back(Effect::Cancelled { key });
        }
    }

    fn handle_ack(
        &mut self,
        index: u32,
        request: Message,
        from: Peer,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let server = &mut self.table[index as usize];
        let reliable = server.reply_to.transport.is_reliable();
        let Machine::Invite(machine) = &mut server.machine else {
            return effects.push_back(Effect::Dropped(Dropped::Misplaced));
        };
        match machine.handle_ack(&self.timers, reliable, now) {
            Ok(Step {
                tell: Some(News::Ack),
                ..
            }) => effects.push_back(Effect::Ack { request, from }),
            Ok(_) => {}
            Err(Misplaced) => effects.push_back(Effect::Dropped(Dropped::Misplaced)),
        }
        self.settle(index);
    }

    fn handle_repetition(&mut self, index: u32, effects: &mut VecDeque<Effect>) {
        let step = match &mut self.table[index as usize].machine {
            Machine::Invite(machine) => machine.handle_invite(),
            Machine::Other(machine) => machine.handle_request(),
        };
        self.perform(index, step, effects);
    }

    pub fn respond(
        &mut self,
        key: ServerKey,
        response: Message,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), Misplaced> {
        let (Some(server), Some(code)) = (self.get_mut(key), response.code()) else {
            return Err(Misplaced);
        };
        let reliable = server.reply_to.transport.is_reliable();
        let mut machine = server.machine;
        let step = machine.respond(code, &self.timers, reliable, now)?;
        let server = &mut self.table[key.index as usize];
        server.machine = machine;
        server.response = Some(response);
        if code >= 200 {
            server.invite = None;
            let pending = server.pending.take();
            let completed =
                pending.map(|pending| pending.complete(Side::Server, End::Answered(code), now));
            self.completed.extend(completed);
        }
        self.perform(key.index, step, effects);
        if let Some(server) = self.get_mut(key) {
            server.let_go();
        }
        Ok(())
    }

    pub fn completed(&mut self) -> impl Iterator<Item = Completed> {
        self.completed.drain(..)
    }

    pub fn reply_to(&self, key: ServerKey) -> Option<Peer> {
        let server = self.table.get(key.index as usize)?;
        (server.serial == key.serial).then_some(server.reply_to)
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub fn handle_timeout(&mut self, now: Instant, effects: &mut VecDeque<Effect>) {
        while let Some(&(at, index)) = self.deadlines.first() {
            if at > now {
                return;
            }
            let step = match &mut self.table[index as usize].machine {
                Machine::Invite(machine) => machine.handle_timeout(&self.timers, now),
                Machine::Other(machine) => machine.handle_timeout(now),
            };
            self.perform(index, step, effects);
        }
    }

    fn perform(&mut self, index: u32, step: Step, effects: &mut VecDeque<Effect>) {
        let server = &mut self.table[index as usize];
        if step.send == Some(Outgoing::Trying) {
            server.response = server
                .invite
                .as_ref()
                .map(|invite| Builder::response(invite, 100).build());
        }
        if let (Some(_), Some(response)) = (step.send, &server.response) {
            let message = response.clone();
            effects.push_back(Effect::Send {
                to: server.reply_to,
                message,
                origin: None,
            });
        }
        if step.tell == Some(News::Abandoned) {
            effects.push_back(Effect::Dropped(Dropped::Abandoned));
        }
        self.settle(index);
    }

    /// Brings the timers in line with the machine, or forgets it.
    fn settle(&mut self, index: u32) {
        if !self.table[index as usize].machine.is_terminated() {
            return self.arm(index);
        }
        let server = self.table.remove(index as usize);
        self.by_key.remove(&server.key);
        if let Some(at) = server.armed {
            self.deadlines.remove(&(at, index));
        }
    }

    fn arm(&mut self, index: u32) {
        let server = &mut self.table[index as usize];
        let next = server.machine.next_timeout();
        if next == server.armed {
            return;
        }
        if let Some(at) = std::mem::replace(&mut server.armed, next) {
            self.deadlines.remove(&(at, index));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, index));
        }
    }

    fn get_mut(&mut self, key: ServerKey) -> Option<&mut Server> {
        let server = self.table.get_mut(key.index as usize)?;
        (server.serial == key.serial).then_some(server)
    }

    fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("{}-{:x}", self.tag_seed, self.tags)
    }
}

/// Where responses go (RFC 3261 §18.2.2, RFC 3581 §4).
///
/// `maddr` is not followed: it would let a sender aim our answers at others.
pub fn reply_to(via: &Via, from: Peer) -> Peer {
    if from.transport.is_reliable() || via.rport().is_some() {
        return from;
    }
    let mut to = from;
    to.addr.set_port(via.port_or_default());
    to
}
