//! How the actor of a connection takes what is for the relay.
use super::{Carried, Passage, Route, TIMED_OUT, Way};
use crate::msrp::{
    FailureReport, Head, Method, Whole,
    actor::{
        hop::{Current, HopActor, Move},
        link::Link,
        transaction::{Asked, Octets, Relayed, Whose},
    },
    relay::route::Lines,
    report::is_success,
};
use bytes::Bytes;
use std::{rc::Rc, time::Duration};

/// How long a connection takes to change its shard.
const MOVE: Duration = Duration::from_millis(2);
/// Flows of one connection that are known to go to other shards.
const MOST_DETOURS: usize = 1024;

/// What became of a SEND that is here as a whole.
pub(in crate::msrp::actor) enum Step {
    /// It went on.
    Passed,
    /// Its far side takes nothing now.
    Full(Rc<Link>),
    /// Nobody has looked for its way yet.
    Unknown,
}

impl HopActor {
    /// Passes a whole SEND on that takes a way known already: nearly all of them do.
    pub(in crate::msrp::actor) fn pass_whole(&mut self, whole: &Whole) -> Step {
        let head = whole.head();
        let Some(route) = self.known_route(head.path_lines()).cloned() else {
            return Step::Unknown;
        };
        let Some(out) = route.out() else {
            return Step::Unknown;
        };
        if out.is_full(&self.link) {
            return Step::Full(out);
        }
        let failure_report = head.failure_report();
        let message_id = match failure_report {
            // nobody will ever be told of this one
            FailureReport::No => &[],
            _ => match head.message_id_octets() {
                Some(message_id) => message_id,
                None => return Step::Unknown,
            },
        };
        out.pass_whole(&route, whole, message_id, failure_report);
        if failure_report == FailureReport::Yes {
            route.answer(&self.link, head.transaction_id(), 200);
        }
        self.passed += 1;
        self.octets += whole.body().len() as u64;
        Step::Passed
    }

    /// Looks for the way of a SEND that nothing like it took before. Returns whether it goes on.
    pub(in crate::msrp::actor) fn begins_flow(&self, head: &Head) -> bool {
        let is_relays = self.link.board.exchange.desk().is_some() && head.check().is_ok();
        is_relays && self.find(head).0.is_none() && matches!(self.find_way(head), Way::Known(_))
    }

    fn known_route(&mut self, path_lines: &[u8]) -> Option<&Rc<Route>> {
        if self
            .last
            .as_ref()
            .is_none_or(|route| route.path_lines != path_lines)
        {
            self.last = self.link.relaying.get()?.known(path_lines);
        }
        self.last.as_ref()
    }

    /// Takes a request that names none of our sessions: perhaps it names the relay.
    /// `None`: it does not.
    pub(in crate::msrp::actor) fn take_relayed(&mut self, head: &Head) -> Option<Current> {
        if head.method() == Some(Method::Auth) && self.is_for_us(head) {
            self.link.take_auth(head);
            return Some(Current::Nobody);
        }
        Some(match self.find_way(head) {
            Way::NotRelayed => return None,
            Way::Known(route) => self.send_on(route, head),
            Way::Opening(neighbour) => {
                self.link.board.open_way(neighbour, &self.link);
                self.hold();
                Current::Held(head.clone())
            }
            Way::Unreachable(lines) => self.refuse_late(&lines, head),
            Way::Refused(code, reason) => self.refuse(head, code, reason),
            Way::Foreign(shard) => {
                self.note_detour(head, shard);
                self.take_foreign(head.clone(), shard)
            }
            Way::Moves(shard) => {
                self.hold();
                if let Some(actor) = self.link.actor() {
                    actor.do_send(Move { shard });
                }
                Current::Held(head.clone())
            }
            Way::Moving => {
                self.hold();
                let link = self.link.clone();
                actix_rt::spawn(async move {
                    tokio::time::sleep(MOVE).await;
                    link.resume();
                });
                Current::Held(head.clone())
            }
        })
    }

    /// Finds the way of a request: the same as before for what went to another shard.
    fn find_way(&self, head: &Head) -> Way {
        let detour = self.detours.get(head.path_lines());
        match detour.filter(|shard| self.is_bypassing(**shard)) {
            Some(shard) => Way::Foreign(*shard),
            None => self.link.find_way(head),
        }
    }

    fn note_detour(&mut self, head: &Head, shard: usize) {
        if self.detours.contains_key(head.path_lines()) && self.is_bypassing(shard) {
            return;
        }
        if self.detours.len() >= MOST_DETOURS {
            self.detours.clear();
        }
        let path_lines = Bytes::copy_from_slice(head.path_lines());
        self.detours.insert(path_lines, shard);
    }

    fn is_bypassing(&self, shard: usize) -> bool {
        let bypass = self.bypasses.get(&shard);
        bypass.is_some_and(|bypass| !bypass.is_over())
    }

    fn send_on(&mut self, route: Rc<Route>, head: &Head) -> Current {
        let Some(out) = route.out() else {
            return self.refuse(head, 481, "relay_client_away");
        };
        if out.is_full(&self.link) {
            out.feed(&self.link);
            self.hold();
            return Current::Held(head.clone());
        }
        match head.is_send() && head.has_body() {
            true => Current::Passing(Box::new(Passage::begin(route, &self.link, head))),
            false => Current::Carrying(Box::new(Carried::request(route, head))),
        }
    }

    /// Takes the answer to a relayed request.
    pub(in crate::msrp::actor) fn take_relayed_answer(
        &self,
        whose: Whose,
        head: Head,
        code: u16,
    ) -> Current {
        match whose {
            Whose::Relayed(relayed) if !is_success(code) => {
                relayed.fail(code);
                Current::Nobody
            }
            Whose::Asked(asked) => match Carried::response(asked, head) {
                Some(carried) => Current::Carrying(Box::new(carried)),
                None => Current::Nobody,
            },
            Whose::Relayed(_) | Whose::Session(_) | Whose::Naming(_) => Current::Nobody,
        }
    }

    /// Takes a SEND that the next hop will never see: the sender hears it in a REPORT.
    fn refuse_late(&self, lines: &Lines, head: &Head) -> Current {
        self.link.board.metrics.refused("relay_unreachable");
        let failure_report = head.failure_report();
        if !head.is_send() {
            return Current::Nobody;
        }
        let link = &self.link;
        if failure_report.duties().answer_success {
            link.write(|out| lines.put_answer(out, head.transaction_id(), 200));
        }
        if failure_report.duties().report_failure {
            link.board.metrics.reports_made.increment(1);
            let id = link.board.next_transaction().to_octets();
            let message_id = head.message_id_octets().unwrap_or_default();
            let range = head.byte_range_text();
            link.write(|out| lines.put_report(out, &id, message_id, range, TIMED_OUT));
        }
        Current::Nobody
    }

    fn is_for_us(&self, head: &Head) -> bool {
        let to = head.to_path_text().unwrap_or_default();
        !to.contains(&b' ') && self.link.board.exchange.desk().is_some()
    }
}

impl Link {
    /// Writes a SEND that came in whole on another connection.
    fn pass_whole(
        self: &Rc<Self>,
        route: &Rc<Route>,
        whole: &Whole,
        message_id: &[u8],
        failure_report: FailureReport,
    ) {
        let id = self.board.next_transaction();
        self.write(|out| {
            let (id, payload) = (id.to_octets(), whole.payload());
            route.lines.put_whole(out, &id, payload, whole.flag());
        });
        if failure_report == FailureReport::No {
            return;
        }
        let range = whole.head().byte_range_text();
        let octets = Octets::Known(whole.body().len());
        let relayed = Relayed::new(route.clone(), message_id, range, octets);
        let end = self.out.borrow().position;
        let mut in_flight = self.in_flight.borrow_mut();
        in_flight.handle_sent(id, failure_report, end, Whose::Relayed(relayed));
    }
}

impl Asked {
    /// Notes who asked: `link`, with this request.
    pub(in crate::msrp::actor) fn by(link: &Rc<Link>, head: &Head, own: usize) -> Self {
        Self {
            from: Rc::downgrade(link),
            transaction_id: Bytes::copy_from_slice(head.transaction_id()),
            own,
            is_auth: head.method() == Some(Method::Auth),
            proves: head.value("Authorization").is_some(),
        }
    }
}
