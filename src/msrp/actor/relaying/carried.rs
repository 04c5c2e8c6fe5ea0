//! Requests other than a SEND with content, and responses to them: they go on when they have
//! ended, since they are short.
use super::Route;
use crate::msrp::{
    Continuation, FailureReport, Head, Kind, Method,
    actor::{
        link::Link,
        transaction::{Asked, Octets, Relayed, Whose},
    },
    encoding,
    relay::route::{Lines, uris},
};
use bytes::BytesMut;
use std::rc::Rc;

/// A request or response that waits for its end.
pub(in crate::msrp::actor) struct Carried {
    head: Head,
    body: BytesMut,
    onward: Onward,
}

enum Onward {
    Request(Rc<Route>),
    Response {
        lines: Lines,
        to: Rc<Link>,
        asked: Asked,
    },
}

impl Carried {
    pub(in crate::msrp::actor) fn request(route: Rc<Route>, head: &Head) -> Self {
        Self {
            head: head.clone(),
            body: BytesMut::new(),
            onward: Onward::Request(route),
        }
    }

    /// Takes a response that goes back to who asked, where that connection still stands.
    ///
    /// Source: RFC 4976 §6.4.3.
    pub(in crate::msrp::actor) fn response(asked: Asked, head: Head) -> Option<Self> {
        let to = asked.from.upgrade().filter(|to| !to.is_down())?;
        let (path, from) = (head.to_path_text()?, head.from_path_text()?);
        let lines = Lines::of(path, from, asked.own)?;
        Some(Self {
            head,
            body: BytesMut::new(),
            onward: Onward::Response { lines, to, asked },
        })
    }

    /// Takes octets of its body; the decoder bounds them.
    pub(in crate::msrp::actor) fn body(&mut self, octets: &[u8]) {
        self.body.extend_from_slice(octets);
    }

    /// Sends it on.
    pub(in crate::msrp::actor) fn end(self, from: &Rc<Link>, flag: Continuation) {
        match &self.onward {
            Onward::Request(route) => self.send_request(route, from, flag),
            Onward::Response { lines, to, asked } => {
                let id = &asked.transaction_id;
                to.write(|out| {
                    put_status(out, id, &self.head);
                    lines.put_paths(out);
                    self.put_rest(out, id, flag);
                });
                if asked.is_auth {
                    to.note_auth(asked, &self.head, from);
                }
            }
        }
    }

    fn send_request(&self, route: &Rc<Route>, from: &Rc<Link>, flag: Continuation) {
        let Some(method) = self.head.method() else {
            return;
        };
        let Some(out) = route.out() else {
            return;
        };
        // what is no SEND has no timer here: nobody concludes anything from silence
        let (failure_report, whose) = match method {
            Method::Send => {
                let message_id = self.head.message_id_octets().unwrap_or_default();
                let range = self.head.byte_range_text();
                let octets = Octets::Known(self.body.len());
                let relayed = Relayed::new(route.clone(), message_id, range, octets);
                (self.head.failure_report(), Whose::Relayed(relayed))
            }
            Method::Report => {
                from.board.metrics.reports_passed.increment(1);
                let asked = Asked::by(from, &self.head, route.own);
                (FailureReport::No, Whose::Asked(asked))
            }
            _ => {
                let asked = Asked::by(from, &self.head, route.own);
                (FailureReport::Partial, Whose::Asked(asked))
            }
        };
        out.send_request(failure_report, whose, |buffer, id| {
            route.lines.put_start(buffer, id, method);
            self.put_rest(buffer, id, flag);
        });
        if method == Method::Send && failure_report == FailureReport::Yes {
            route.answer(from, self.head.transaction_id(), 200);
        }
    }

    fn put_rest(&self, out: &mut BytesMut, id: &[u8], flag: Continuation) {
        out.extend_from_slice(self.head.after_paths());
        if self.head.has_body() {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&self.body);
        }
        encoding::put_end(out, id, self.head.has_body(), flag);
    }
}

impl Link {
    /// Looks at what another relay answered a client of this connection: a refused proof counts,
    /// and where a relay URI was given out is the way to it.
    fn note_auth(self: &Rc<Self>, asked: &Asked, head: &Head, by: &Rc<Self>) {
        match head.code() {
            Some(200) => {
                let Some(desk) = self.board.exchange.desk() else {
                    return;
                };
                let most = desk.config.max_flows;
                let path = head.value("Use-Path").unwrap_or_default();
                for uri in uris(path).filter(|_| asked.own > 0) {
                    self.relaying().hear(uri, by, most);
                }
            }
            Some(401) if asked.proves && !is_stale(head) => self.count_failure(),
            _ => {}
        }
    }
}

/// Tells whether a challenge only wants the same proof for a new nonce.
pub(super) fn is_stale(head: &Head) -> bool {
    head.fields()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"WWW-Authenticate"))
        .any(|(_, value)| {
            let value = String::from_utf8_lossy(value).to_ascii_lowercase();
            value.contains("stale=true") || value.contains("stale=\"true\"")
        })
}

/// Writes the start line of a response again, for the request as its sender named it.
fn put_status(out: &mut BytesMut, id: &[u8], head: &Head) {
    let Kind::Response { code, comment } = head.kind() else {
        return;
    };
    out.extend_from_slice(b"MSRP ");
    out.extend_from_slice(id);
    out.extend_from_slice(format!(" {code:03}").as_bytes());
    if !comment.is_empty() {
        out.extend_from_slice(b" ");
        out.extend_from_slice(comment);
    }
    out.extend_from_slice(b"\r\n");
}
