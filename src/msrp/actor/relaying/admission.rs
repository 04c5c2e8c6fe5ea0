//! AUTH: who may have a URI of the relay (RFC 4976 §6.3).
use super::TicketId;
use crate::{
    clock,
    msrp::{
        Continuation, Head,
        actor::{CloseReason, Direction, link::Link},
        encoding,
        relay::{
            Channel, Grant, Opening, Ticket, Verdict,
            route::{first, uris},
        },
        uri::session_id_of,
    },
    net,
};
use bytes::Bytes;
use std::{borrow::Cow, rc::Rc, time::Duration};

impl Link {
    /// Takes an AUTH that is for this relay.
    pub(super) fn take_auth(self: &Rc<Self>, head: &Head) {
        let Some(desk) = self.board.exchange.desk() else {
            return;
        };
        self.show(Direction::Received, head.octets());
        if self.board.is_parting.get() {
            return self.conclude(head, &Verdict::Unavailable);
        }
        let claim = match desk.read_auth(head, &self.channel()) {
            Opening::Settled(verdict) => return self.conclude(head, &verdict),
            Opening::Claimed(claim) => claim,
        };
        let found = desk.accounts.find(claim.user(), claim.algorithm());
        let (link, desk, head) = (self.clone(), desk.clone(), head.clone());
        actix_rt::spawn(async move {
            let found = found.await;
            if !link.is_down() {
                link.conclude(&head, &desk.judge(&claim, &found));
                link.board.run();
            }
        });
    }

    fn conclude(self: &Rc<Self>, head: &Head, verdict: &Verdict) {
        let fields = verdict.fields();
        match verdict {
            Verdict::Granted(grant) => return self.grant(head, grant),
            Verdict::Challenge { is_failure, .. } => {
                self.answer_auth(head, 401, &fields);
                if *is_failure {
                    self.board.metrics.refused("relay_wrong_proof");
                    self.count_failure();
                }
                return;
            }
            Verdict::OutOfBounds(_) => self.board.metrics.refused("relay_expires"),
            Verdict::Forbidden => self.board.metrics.refused("relay_forbidden"),
            Verdict::Bad => self.board.metrics.refused("relay_bad_auth"),
            Verdict::Unavailable => self.board.metrics.refused("relay_accounts"),
        }
        self.answer_auth(head, verdict.code(), &fields);
    }

    /// Gives a URI out, or extends the life of the one that the request names.
    fn grant(self: &Rc<Self>, head: &Head, grant: &Grant) {
        let Some(desk) = self.board.exchange.desk() else {
            return;
        };
        let to = head.to_path_text().unwrap_or_default();
        let from = head.from_path_text().unwrap_or_default();
        let known = session_id_of(to).and_then(|id| desk.open(id).ok());
        let (ticket, uri) = match known {
            Some(ticket) if ticket.owner == grant.owner => {
                (ticket, String::from_utf8_lossy(to).into_owned())
            }
            Some(_) => {
                self.board.metrics.refused("relay_forbidden");
                return self.answer_auth(head, 403, &[]);
            }
            None if self.relaying().leases.borrow().len() >= desk.config.max_routes => {
                self.board.metrics.refused("relay_too_many_uris");
                return self.answer_auth(head, 403, &[]);
            }
            None => {
                let (ticket, id) = desk.seal(self.board.shard, new_ticket_id(), grant.owner);
                (
                    ticket,
                    self.board.relay_uri(self.is_secure(), &id).to_string(),
                )
            }
        };
        let left = ticket.not_after.saturating_sub(super::desk::seconds());
        let expires = grant.expires.min(left);
        self.settle(&ticket, first(from), expires);
        // nearest relay first: the way the request came, without the client, then this one
        let way = uris(from).rev().skip(1).map(String::from_utf8_lossy);
        let path: Vec<_> = way.chain([uri.into()]).collect();
        let mut fields = vec![
            ("Use-Path", path.join(" ").into()),
            ("Expires", expires.to_string().into()),
        ];
        let info = grant.info.as_deref();
        fields.extend(info.map(|info| ("Authentication-Info", info.into())));
        self.answer_auth(head, 200, &fields);
    }

    /// Notes a failed attempt to authenticate; after some of them the connection is closed
    /// (RFC 4976 §6.3).
    pub(super) fn count_failure(self: &Rc<Self>) {
        let Some(desk) = self.board.exchange.desk() else {
            return;
        };
        let failures = &self.relaying().failures;
        failures.set(failures.get() + 1);
        if failures.get() as usize >= desk.config.max_failures {
            self.fail(CloseReason::Refused(401));
        }
    }

    fn answer_auth(self: &Rc<Self>, head: &Head, code: u16, fields: &[(&str, Cow<'_, str>)]) {
        let to = head.from_path_text().unwrap_or_default();
        let from = head.to_path_text().unwrap_or_default();
        let id = head.transaction_id();
        self.write(|out| {
            encoding::put_response_head(out, id, code, to, from);
            for (name, value) in fields {
                encoding::put_field(out, name, value.as_bytes());
            }
            encoding::put_end(out, id, false, Continuation::Complete);
        });
    }

    fn channel(&self) -> Channel {
        let hosts = self.trusted_hosts();
        match (hosts.is_empty(), self.is_secure()) {
            (false, _) => Channel::Proven { hosts },
            (true, true) => Channel::Protected,
            (true, false) => Channel::Plain {
                is_loopback: self.peer.ip().to_canonical().is_loopback(),
            },
        }
    }

    /// Holds a relay URI for the client of this connection from now on.
    fn settle(self: &Rc<Self>, ticket: &Ticket, hop: &[u8], expires: u64) {
        let until = clock::now() + Duration::from_secs(expires);
        self.hold_lease(ticket.id, Bytes::copy_from_slice(hop), until);
        self.relaying().failures.set(0);
        self.board.metrics.uris_granted.increment(1);
    }
}

fn new_ticket_id() -> TicketId {
    let mut id = TicketId::default();
    for part in id.chunks_mut(4) {
        part.copy_from_slice(&net::random_u64().to_be_bytes()[..4]);
    }
    id
}
