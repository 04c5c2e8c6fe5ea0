use super::{Dialog, DialogNumber, Extra, Reply};
use crate::sip::{codec::Method, transaction::ServerKey};
use actix::prelude::*;

/// The way to one [`Dialog`]. Cheap to clone; dropping it ends nothing.
///
/// Orders that no longer fit the state of the dialog are ignored: its last news is on the way.
#[derive(Clone)]
pub struct DialogHandle {
    number: DialogNumber,
    addr: Addr<Dialog>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Order {
    Reply(Reply),
    Answer(ServerKey, Reply),
    Request(Method, Extra),
    HangUp(Option<String>),
}

impl DialogHandle {
    pub(super) fn new(number: DialogNumber, addr: Addr<Dialog>) -> Self {
        Self { number, addr }
    }

    /// What its news are marked with.
    pub fn number(&self) -> DialogNumber {
        self.number
    }

    /// Callee: sends a provisional response, such as 180 or 183.
    pub fn ring(&self, reply: Reply) {
        self.order(Order::Reply(reply));
    }

    /// Callee: accepts with a 2xx, which is repeated until its ACK comes.
    pub fn accept(&self, reply: Reply) {
        self.order(Order::Reply(reply));
    }

    /// Callee: refuses with a final response of 300 or above. `Ended` follows.
    pub fn reject(&self, reply: Reply) {
        self.order(Order::Reply(reply));
    }

    /// Answers an `Offered` or `Requested` request.
    pub fn answer(&self, key: ServerKey, reply: Reply) {
        self.order(Order::Answer(key, reply));
    }

    /// Sends a request within the confirmed dialog; `Responded` follows. Not for INVITE, UPDATE
    /// and BYE.
    pub fn request(&self, method: Method, extra: Extra) {
        self.order(Order::Request(method, extra));
    }

    /// Sends a re-INVITE with this body; `Responded` follows. While another offer is open in
    /// either direction `Responded` says 491 without anything being sent.
    pub fn offer(&self, extra: Extra) {
        self.order(Order::Request(Method::Invite, extra));
    }

    /// Ends the dialog in the way its state asks for: BYE when confirmed (after the ACK, if that
    /// is still to come), CANCEL while our INVITE is open, 603 while theirs is. `reason` is the
    /// value of a Reason header (RFC 3326), such as `SIP;cause=200;text="done"`.
    pub fn bye(&self, reason: Option<&str>) {
        self.order(Order::HangUp(reason.map(str::to_owned)));
    }

    /// Caller: gives up an INVITE that is not answered. The same as [`bye`](Self::bye).
    pub fn cancel(&self) {
        self.order(Order::HangUp(None));
    }

    fn order(&self, order: Order) {
        // a few per dialog, by its only user
        self.addr.do_send(order);
    }
}
