//! What of a device its tasks share: who it is, its proofs, its inbox.
use super::{
    DeviceConfig, host, registration::Registration, standing::Standing, subscription::Subscriptions,
};
use crate::{
    client::{
        ClientError, Config, Outcome,
        inbox::{Received, Seen},
        request::{self, Ids},
    },
    content::cpim::CpimHead,
    digest::Account,
    identity::Address,
    net,
    profile::mime,
    sip::{
        Responder, SharedResponder,
        actor::{RequestFailed, Target},
        codec::{Builder, Message, Name},
        transaction::Peer,
    },
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};
use tokio::sync::mpsc;

/// One device, as its tasks hold it.
pub(super) struct State {
    pub host: Rc<host::Inner>,
    pub address: Address,
    pub server: Peer,
    pub contact: String,
    pub registration: RefCell<Registration>,
    pub subscriptions: Subscriptions,
    pub standing: Standing,
    user: String,
    account: Option<Account>,
    responder: Option<SharedResponder>,
    seen: RefCell<Seen>,
    duplicates: Cell<u64>,
    inbox: mpsc::Sender<Box<Received>>,
    unread: RefCell<Option<mpsc::Receiver<Box<Received>>>>,
}

/// A place in the inbox.
pub(super) type Slot = mpsc::OwnedPermit<Box<Received>>;

impl State {
    /// A device that can receive at its Contact from now on.
    pub fn open(host: Rc<host::Inner>, config: DeviceConfig) -> Rc<Self> {
        let user = format!("{}-{}", plain(config.address.user()), net::random_token(4));
        let contact = host
            .endpoint
            .contact_uri(Some(&user), config.server.transport);
        let name = config
            .user
            .unwrap_or_else(|| config.address.user().to_owned());
        let account = config.password.map(|password| Account {
            user: name,
            password,
        });
        let responder = account
            .clone()
            .map(|account| SharedResponder::new(Responder::new(account).into()));
        let (inbox, unread) = mpsc::channel(host.config.inbox.max(1));
        let state = Rc::new(State {
            seen: RefCell::new(Seen::new(host.config.remembered)),
            registration: RefCell::new(Registration::new(
                host.endpoint.new_call_id(),
                host.endpoint.new_tag(),
            )),
            subscriptions: Subscriptions::default(),
            standing: Standing::default(),
            address: config.address,
            server: config.server,
            contact,
            user,
            account,
            responder,
            duplicates: Cell::new(0),
            inbox,
            unread: RefCell::new(Some(unread)),
            host,
        });
        state.host.admit(state.names(), &state);
        state
    }

    /// What requests to this device name it by.
    fn names(&self) -> [&str; 2] {
        [&self.user, self.address.as_str()]
    }

    /// The messages that come in; once.
    pub fn unread(&self) -> Option<mpsc::Receiver<Box<Received>>> {
        self.unread.borrow_mut().take()
    }

    /// How many messages came in again.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.get()
    }

    /// Name and password, where the device has one.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    pub fn config(&self) -> &Config {
        &self.host.config
    }

    /// The domain of the user, or the server where the address has none.
    pub fn domain(&self) -> String {
        match self.address.domain() {
            Some(domain) => domain.to_owned(),
            None => self.server.addr.ip().to_string(),
        }
    }

    /// Identifiers of a new request outside a dialog.
    pub fn ids(&self) -> Ids {
        Ids {
            call_id: self.host.endpoint.new_call_id(),
            tag: self.host.endpoint.new_tag(),
            number: 1,
        }
    }

    pub fn target(&self) -> Target {
        Target::Peer(self.server)
    }

    /// Sends a request and waits for its final response. Challenges are answered, those met
    /// before at once.
    pub async fn exchange(
        &self,
        name: &'static str,
        mut ids: Ids,
        make: impl Fn(&Ids) -> Builder,
    ) -> Result<Message, ClientError> {
        const ATTEMPTS: u32 = 4;
        let mut refused = 0;
        for _ in 0..ATTEMPTS {
            let request = self.signed(self.routed(make(&ids)));
            let response = self.host.endpoint.exchange(request, self.target()).await;
            let response = response.map_err(|failed| failure(name, failed))?;
            let code = response.code().unwrap_or_default();
            if !matches!(code, 401 | 407) {
                return Ok(response);
            }
            let responder = self.responder.as_ref();
            let learned = responder.and_then(|responder| responder.lock().learn(&response));
            // an old nonce may be refused without being called stale, but not twice
            refused += u32::from(learned != Some(true));
            if learned.is_none() || refused > 1 {
                return Err(ClientError::Unauthorized { code });
            }
            ids.number += 1;
        }
        Err(ClientError::Unauthorized { code: 401 })
    }

    /// What this device knows about the challenges of its server.
    pub fn responder(&self) -> Option<SharedResponder> {
        self.responder.clone()
    }

    /// Adds the route the registrar told (RFC 3608).
    pub fn routed(&self, request: Builder) -> Builder {
        let registration = self.registration.borrow();
        registration
            .service_route()
            .iter()
            .fold(request, |request, route| request.header(Name::Route, route))
    }

    fn signed(&self, request: Builder) -> Message {
        let bare = request.clone().build();
        let Some(responder) = &self.responder else {
            return bare;
        };
        let method = bare
            .method()
            .map_or_else(String::new, |method| method.as_str().to_owned());
        let cnonce = net::random_token(8);
        let mut responder = responder.lock();
        responder
            .sign(request, &method, bare.uri_text(), &cnonce)
            .build()
    }

    /// A place in the inbox, if it has room.
    pub fn reserve(&self) -> Option<Slot> {
        self.inbox.clone().try_reserve_owned().ok()
    }

    /// Shows a message, unless it was shown before, and tells its sender if that was asked for.
    pub fn deliver(self: &Rc<Self>, slot: Slot, received: Received, head: Option<&CpimHead>) {
        let from = received.from.as_ref().map_or("", Address::as_str);
        // another sender may use the same identifier
        let key = format!("{from} {}", received.message_id);
        if !self.seen.borrow_mut().note(&key) {
            self.duplicates.set(self.duplicates.get() + 1);
            super::spool::discard(&received.body);
            return;
        }
        slot.send(Box::new(received));
        let asked = head.filter(|_| self.config().notify_delivery);
        let id = net::random_token(16);
        let told = asked.and_then(|head| request::delivered(head, &self.address, &id));
        let Some(told) = told else {
            return;
        };
        let device = self.clone();
        actix::spawn(async move {
            let sent = device
                .exchange("notification", device.ids(), |ids| {
                    let (uri, body) = (told.uri.as_str(), told.body.clone());
                    request::message(uri, &device.address, &told.to, ids, mime::CPIM, body)
                })
                .await;
            if let Err(error) = sent {
                tracing::debug!(%error, "delivery notification not sent");
            }
        });
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.host.dismiss(self.names());
    }
}

/// What a request that could not be exchanged means.
pub(super) fn failure(name: &'static str, failed: RequestFailed) -> ClientError {
    match failed {
        RequestFailed::TimedOut => ClientError::TimedOut(name),
        RequestFailed::Transport => ClientError::Connection(name),
        RequestFailed::TooLarge => ClientError::TooLargeForUdp(name),
        RequestFailed::Stopped => ClientError::Stopped,
    }
}

/// Whether a response is a success.
pub(super) fn success(name: &'static str, response: &Message) -> Result<(), ClientError> {
    match response.code() {
        Some(200..=299) => Ok(()),
        code => Err(ClientError::Refused {
            request: name,
            code: code.unwrap_or_default(),
            reason: response.reason().to_owned(),
        }),
    }
}

/// What a final response to a MESSAGE or INVITE says about the message.
pub(super) fn outcome(code: u16, reason: &str) -> Outcome {
    match code {
        202 => Outcome::Stored,
        200..=299 => Outcome::Delivered,
        _ => Outcome::Refused {
            code,
            reason: reason.to_owned(),
        },
    }
}

/// The letters and digits of a user part: what may stand in any Contact.
fn plain(user: &str) -> String {
    user.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_device_is_small() {
        assert!(size_of::<State>() <= 1024, "{} octets", size_of::<State>());
    }

    #[test]
    fn contact_user_is_plain() {
        assert_eq!(plain("alice.w%3B+1"), "alicew3B1");
    }
}
