use super::{
    Completed, ConnectionId, Effect, Misplaced, Peer, RequestId, ServerKey, Timers,
    clients::{Clients, Unsent},
    servers::Servers,
};
use crate::sip::codec::Message;
use std::{collections::VecDeque, time::Instant};

/// All transactions of one shard: matches messages to machines, runs their timers, and tells in
/// [`Effect`]s what to send and whom to tell.
///
/// CANCEL is answered here; the user of a cancelled INVITE is told and owes the 487. ACK for a
/// refusal is absorbed here; ACK for a 2xx is handed on, since it belongs to a dialog.
pub struct Layer {
    servers: Servers,
    clients: Clients,
    effects: VecDeque<Effect>,
}

impl Layer {
    /// An empty table of at most `limit` server and as many client transactions.
    ///
    /// `tag_seed` begins the To tags of the few responses the table makes itself; it must be
    /// random.
    pub fn new(timers: Timers, limit: usize, tag_seed: String) -> Self {
        Self {
            servers: Servers::new(timers, limit, tag_seed),
            clients: Clients::new(timers, limit),
            effects: VecDeque::new(),
        }
    }

    /// Takes a message that passed [`validate`](crate::sip::codec::validate).
    pub fn handle_message(&mut self, message: Message, from: Peer, now: Instant) {
        match message.is_request() {
            true => self
                .servers
                .handle_request(message, from, now, &mut self.effects),
            false => self
                .clients
                .handle_response(message, now, &mut self.effects),
        }
    }

    /// Whether a request belongs to a transaction that there is already.
    pub fn knows(&mut self, request: &Message) -> bool {
        self.servers.knows(request)
    }

    /// Starts a client transaction for `request`, which carries our Via with a branch of its own.
    ///
    /// Errors: `Full` at the bound; nothing is told about `id` then.
    pub fn request(
        &mut self,
        id: RequestId,
        request: Message,
        to: Peer,
        now: Instant,
    ) -> Result<(), Unsent> {
        self.clients
            .request(Some(id), request, to, now, &mut self.effects)
    }

    /// Gives `response` to the server transaction `key`.
    ///
    /// Errors: the transaction is gone or has its final response already.
    pub fn respond(
        &mut self,
        key: ServerKey,
        response: Message,
        now: Instant,
    ) -> Result<(), Misplaced> {
        self.servers.respond(key, response, now, &mut self.effects)
    }

    /// Where responses of the server transaction `key` go, while it lives.
    pub fn reply_to(&self, key: ServerKey) -> Option<Peer> {
        self.servers.reply_to(key)
    }

    /// Cancels the INVITE `id` as soon as the rules allow; nothing if its final response is here.
    /// False if there is no such transaction, or none yet.
    pub fn cancel(&mut self, id: RequestId, now: Instant) -> bool {
        self.clients.cancel(id, now, &mut self.effects)
    }

    /// The transport could not send the request `id`.
    pub fn handle_transport_error(&mut self, id: RequestId, now: Instant) {
        self.clients
            .handle_transport_error(id, now, &mut self.effects);
    }

    /// A stream is gone: requests that wait for answers on it fail.
    pub fn handle_connection_lost(&mut self, connection: ConnectionId, now: Instant) {
        self.clients
            .handle_connection_lost(connection, now, &mut self.effects);
    }

    /// Lets every timer due at `now` fire.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.servers.handle_timeout(now, &mut self.effects);
        self.clients.handle_timeout(now, &mut self.effects);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do next.
    pub fn next_timeout(&self) -> Option<Instant> {
        match (self.servers.next_timeout(), self.clients.next_timeout()) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        }
    }

    /// Takes the next effect, oldest first.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Takes the transactions that have ended, in no order.
    pub fn completed(&mut self) -> impl Iterator<Item = Completed> {
        self.servers.completed().chain(self.clients.completed())
    }

    /// How many server transactions live.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// How many client transactions live.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }
}
