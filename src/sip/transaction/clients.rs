//! The table of client transactions.
use super::{
    ClientInvite, ClientOther, ConnectionId, Dropped, Effect, End, Misplaced, News, Outgoing, Peer,
    RequestId, Side, Step, Timers,
    completed::{Completed, Pending},
    derived, key,
};
use crate::sip::codec::{Message, Method};
use hashbrown::HashMap;
use slab::Slab;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

pub(super) struct Clients {
    timers: Timers,
    limit: usize,
    table: Slab<Client>,
    by_key: HashMap<Arc<str>, u32>,
    by_id: HashMap<RequestId, u32>,
    deadlines: BTreeSet<(Instant, u32)>,
    /// Which transactions end with which stream.
    streams: BTreeSet<(ConnectionId, u32)>,
    scratch: String,
    completed: Vec<Completed>,
}

struct Client {
    /// None for the CANCELs we make ourselves.
    id: Option<RequestId>,
    machine: Machine,
    key: Arc<str>,
    to: Peer,
    /// Kept until the final response is here: then it is neither repeated nor cancelled.
    request: Option<Message>,
    ack: Option<Message>,
    cancel: Cancel,
    /// Until its final response.
    pending: Option<Pending>,
    armed: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    /// Wanted, but no response came yet (RFC 3261 §9.1: not before a provisional one).
    Wanted,
    Sent,
}

#[derive(Clone, Copy)]
enum Machine {
    Invite(ClientInvite),
    Other(ClientOther),
}

impl Machine {
    fn has_final_response(&self) -> bool {
        matches!(
            self,
            Self::Invite(
                ClientInvite::Completed { .. }
                    | ClientInvite::Accepted { .. }
                    | ClientInvite::Terminated
            ) | Self::Other(ClientOther::Completed { .. } | ClientOther::Terminated)
        )
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The table is at its bound.
    #[error("too many transactions")]
    Full,
    /// The request has no Via with a branch of its own, or no CSeq.
    #[error("request without branch or CSeq")]
    Shape,
}

impl Clients {
    pub fn new(timers: Timers, limit: usize) -> Self {
        Self {
            timers,
            limit,
            table: Slab::new(),
            by_key: HashMap::new(),
            by_id: HashMap::new(),
            deadlines: BTreeSet::new(),
            streams: BTreeSet::new(),
            scratch: String::new(),
            completed: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn request(
        &mut self,
        id: Option<RequestId>,
        request: Message,
        to: Peer,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), Unsent> {
        if self.table.len() >= self.limit {
            return Err(Unsent::Full);
        }
        let (Some(method), Ok(via)) = (request.method(), request.via()) else {
            return Err(Unsent::Shape);
        };
        key::write_client(
            via.branch().ok_or(Unsent::Shape)?,
            method.as_str(),
            &mut self.scratch,
        );
        if self.by_key.contains_key(self.scratch.as_str()) {
            return Err(Unsent::Shape);
        }
        let reliable = to.transport.is_reliable();
        let (machine, step) = match &method {
            Method::Invite => {
                let (machine, step) = ClientInvite::start(&self.timers, reliable, now);
                (Machine::Invite(machine), step)
            }
            _ => {
                let (machine, step) = ClientOther::start(&self.timers, reliable, now);
                (Machine::Other(machine), step)
            }
        };
        let index = self.insert(id, machine, request, to, Pending::new(method, now));
        self.perform(index, step, None, now, effects);
        Ok(())
    }

    fn insert(
        &mut self,
        id: Option<RequestId>,
        machine: Machine,
        request: Message,
        to: Peer,
        pending: Pending,
    ) -> u32 {
        let key: Arc<str> = self.scratch.as_str().into();
        let index = self.table.insert(Client {
            id,
            machine,
            key: key.clone(),
            to,
            request: Some(request),
            ack: None,
            cancel: Cancel::No,
            pending: Some(pending),
            armed: None,
        });
        let index = u32::try_from(index).expect("the limit is far below 2^32");
        self.by_key.insert(key, index);
        if let Some(id) = id {
            self.by_id.insert(id, index);
        }
        if let Some(connection) = to.connection {
            self.streams.insert((connection, index));
        }
        index
    }

    pub fn handle_response(
        &mut self,
        response: Message,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let (Some(code), Some(method), Ok(via)) =
            (response.code(), response.method(), response.via())
        else {
            return effects.push_back(Effect::Dropped(Dropped::Unreadable));
        };
        key::write_client(
            via.branch().unwrap_or_default(),
            method.as_str(),
            &mut self.scratch,
        );
        let Some(&index) = self.by_key.get(self.scratch.as_str()) else {
            return effects.push_back(Effect::Dropped(Dropped::StrayResponse));
        };
        let client = &mut self.table[index as usize];
        let reliable = client.to.transport.is_reliable();
        let step = match &mut client.machine {
            Machine::Invite(machine) => machine.handle_response(code, &self.timers, reliable, now),
            Machine::Other(machine) => machine.handle_response(code, &self.timers, reliable, now),
        };
        match step {
            Ok(step) => self.perform(index, step, Some(response), now, effects),
            Err(Misplaced) => effects.push_back(Effect::Dropped(Dropped::Misplaced)),
        }
    }

    /// Cancels an INVITE: now, as soon as a provisional response allows it, or not at all if the
    /// final response is here (RFC 3261 §9.1).
    pub fn cancel(&mut self, id: RequestId, now: Instant, effects: &mut VecDeque<Effect>) -> bool {
        let Some(&index) = self.by_id.get(&id) else {
            return false;
        };
        let client = &mut self.table[index as usize];
        match client.machine {
            _ if client.cancel != Cancel::No => {}
            Machine::Invite(ClientInvite::Calling { .. }) => client.cancel = Cancel::Wanted,
            Machine::Invite(ClientInvite::Proceeding { .. }) => {
                self.send_cancel(index, now, effects)
            }
            _ => {}
        }
        true
    }

    fn send_cancel(&mut self, index: u32, now: Instant, effects: &mut VecDeque<Effect>) {
        let client = &mut self.table[index as usize];
        client.cancel = Cancel::Sent;
        let Some(cancel) = client.request.as_ref().map(derived::cancel) else {
            return;
        };
        if let Machine::Invite(machine) = &mut client.machine {
            // the callers found it in Proceeding
            let _ = machine.handle_cancelled(&self.timers, now);
        }
        let to = client.to;
        self.arm(index);
        if self.request(None, cancel, to, now, effects).is_err() {
            effects.push_back(Effect::Dropped(Dropped::Full));
        }
    }

    pub fn handle_transport_error(
        &mut self,
        id: RequestId,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        if let Some(&index) = self.by_id.get(&id) {
            self.fail(index, now, effects);
        }
    }

    pub fn handle_connection_lost(
        &mut self,
        connection: ConnectionId,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let range = (connection, 0)..=(connection, u32::MAX);
        let lost: Vec<u32> = self.streams.range(range).map(|(_, index)| *index).collect();
        for index in lost {
            self.fail(index, now, effects);
        }
    }

    fn fail(&mut self, index: u32, now: Instant, effects: &mut VecDeque<Effect>) {
        let step = match &mut self.table[index as usize].machine {
            Machine::Invite(machine) => machine.handle_transport_error(),
            Machine::Other(machine) => machine.handle_transport_error(),
        };
        self.perform(index, step, None, now, effects);
    }

    pub fn completed(&mut self) -> impl Iterator<Item = Completed> {
        self.completed.drain(..)
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
                Machine::Invite(machine) => machine.handle_timeout(now),
                Machine::Other(machine) => machine.handle_timeout(&self.timers, now),
            };
            self.perform(index, step, None, now, effects);
        }
    }

    fn perform(
        &mut self,
        index: u32,
        step: Step,
        response: Option<Message>,
        now: Instant,
        effects: &mut VecDeque<Effect>,
    ) {
        let client = &mut self.table[index as usize];
        let message = match step.send {
            Some(Outgoing::Request) => client.request.clone(),
            Some(Outgoing::Ack) => {
                if let (None, Some(response), Some(request)) =
                    (&client.ack, &response, &client.request)
                {
                    client.ack = Some(derived::ack(request, response));
                }
                client.ack.clone()
            }
            _ => None,
        };
        if client.machine.has_final_response() {
            client.request = None;
            let end = end(step.tell, response.as_ref());
            let ended = end.and_then(|end| Some((client.pending.take()?, end)));
            let completed = ended.map(|(pending, end)| pending.complete(Side::Client, end, now));
            self.completed.extend(completed);
        }
        if let Some(message) = message {
            effects.push_back(Effect::Send {
                to: client.to,
                message,
                origin: client.id,
            });
        }
        if let (Some(news), Some(id)) = (step.tell, client.id) {
            effects.extend(told(news, id, response, client.to));
        }
        let may_cancel = matches!(
            client.machine,
            Machine::Invite(ClientInvite::Proceeding { .. })
        );
        if may_cancel && client.cancel == Cancel::Wanted {
            self.send_cancel(index, now, effects);
        }
        self.settle(index, effects);
    }

    /// Brings the timers in line with the machine, or forgets it.
    fn settle(&mut self, index: u32, effects: &mut VecDeque<Effect>) {
        let terminated = matches!(
            self.table[index as usize].machine,
            Machine::Invite(ClientInvite::Terminated) | Machine::Other(ClientOther::Terminated)
        );
        if !terminated {
            return self.arm(index);
        }
        let client = self.table.remove(index as usize);
        self.by_key.remove(&client.key);
        if let Some(at) = client.armed {
            self.deadlines.remove(&(at, index));
        }
        if let Some(connection) = client.to.connection {
            self.streams.remove(&(connection, index));
        }
        if let Some(id) = client.id {
            self.by_id.remove(&id);
            effects.push_back(Effect::Ended { id });
        }
    }

    fn arm(&mut self, index: u32) {
        let client = &mut self.table[index as usize];
        let next = match &client.machine {
            Machine::Invite(machine) => machine.next_timeout(),
            Machine::Other(machine) => machine.next_timeout(),
        };
        if next == client.armed {
            return;
        }
        if let Some(at) = std::mem::replace(&mut client.armed, next) {
            self.deadlines.remove(&(at, index));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, index));
        }
    }
}

/// What the news of a transaction without a final response so far mean for it.
fn end(news: Option<News>, response: Option<&Message>) -> Option<End> {
    match news? {
        News::Response => response.and_then(Message::code).map(End::Answered),
        News::TimedOut => Some(End::TimedOut),
        News::TransportFailed => Some(End::Failed),
        News::Ack | News::Abandoned => None,
    }
}

fn told(news: News, id: RequestId, response: Option<Message>, from: Peer) -> Option<Effect> {
    match news {
        News::Response => response.map(|response| Effect::Response { id, response, from }),
        News::TimedOut => Some(Effect::TimedOut { id }),
        News::TransportFailed => Some(Effect::TransportFailed { id }),
        News::Ack | News::Abandoned => None,
    }
}
