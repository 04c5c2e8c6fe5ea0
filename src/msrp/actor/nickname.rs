//! NICKNAME requests of sessions: those that come in, those that go on to the next session, and
//! our own (RFC 7701 §7).
use super::{SendError, SessionHandle, link::Link, transaction::Whose};
use crate::msrp::{
    Continuation, FailureReport, Head, Method, encoding,
    nickname::{self, BadNickname, USE_NICKNAME},
    session::Answer,
};
use bytes::Bytes;
use futures_util::FutureExt;
use std::{
    cell::Cell,
    fmt,
    rc::{Rc, Weak},
};
use tokio::sync::oneshot;

/// A NICKNAME request that came in. One that nobody answers is answered when it is dropped: its
/// session does not know the method (501), or lost who should have answered (481).
#[derive(Clone, Debug)]
pub struct NicknameRequest(Rc<Open>);

struct Open {
    link: Weak<Link>,
    head: Head,
    /// What is answered if nobody does.
    otherwise: Cell<Option<u16>>,
}

/// A NICKNAME request of ours that waits for its response.
pub(super) struct Naming {
    /// The session, by the number its shard gave it.
    pub(super) session: u64,
    then: Box<dyn FnOnce(u16)>,
}

impl NicknameRequest {
    pub(super) fn new(link: &Rc<Link>, head: Head) -> Self {
        Self(Rc::new(Open {
            link: Rc::downgrade(link),
            head,
            otherwise: Cell::new(Some(501)),
        }))
    }

    /// Returns the nickname that is asked for; nothing if the sender wants to have none any more.
    pub fn wanted(&self) -> Result<Option<String>, BadNickname> {
        nickname::wanted(&self.0.head)
    }

    /// Answers the request; the first answer counts.
    pub fn answer(&self, code: u16) {
        self.0.answer(code);
    }
}

impl Open {
    fn answer(&self, code: u16) {
        let (Some(_), Some(link)) = (self.otherwise.take(), self.link.upgrade()) else {
            return;
        };
        let to = self.head.from_path_text().unwrap_or_default();
        let answer = Answer {
            transaction_id: Bytes::copy_from_slice(self.head.transaction_id()),
            to_path: Bytes::copy_from_slice(to),
            code,
        };
        link.answer(&answer, self.head.to_path_text().unwrap_or_default());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(code) = self.otherwise.get() {
            self.answer(code);
        }
    }
}

impl Naming {
    /// Takes the status: of the response, or 408 for silence.
    pub(super) fn take_status(self, code: u16) {
        (self.then)(code);
    }
}

impl SessionHandle {
    /// Asks the far end for a nickname, or to have none any more; resolves to the status of its
    /// answer, 408 for silence and 481 if the session ends before.
    ///
    /// Errors: `NotBound`, `Closed`; nothing was sent then.
    pub fn ask_nickname(
        &self,
        nickname: Option<&str>,
    ) -> Result<impl Future<Output = u16> + use<>, SendError> {
        let (tell, told) = oneshot::channel();
        self.send_nickname(nickname::value(nickname).as_bytes(), move |code| {
            // who does not listen any more wants no answer
            let _ = tell.send(code);
        })?;
        Ok(told.map(|told| told.unwrap_or(481)))
    }

    /// Passes a NICKNAME request on that came in on another session, and its answer back.
    pub(super) fn pass_nickname(&self, request: NicknameRequest) {
        let value = request.0.head.value_bytes(USE_NICKNAME);
        request.0.otherwise.set(Some(481));
        // what was not sent is answered as it is dropped
        let _ = self.send_nickname(&value.unwrap_or_default(), move |code| request.answer(code));
    }

    fn send_nickname(
        &self,
        value: &[u8],
        then: impl FnOnce(u16) + 'static,
    ) -> Result<(), SendError> {
        let link = self.0.link()?;
        let whose = Whose::Naming(Naming {
            session: self.0.number,
            then: Box::new(then),
        });
        let remote = self.0.remote.borrow();
        link.send_request(FailureReport::Yes, whose, |out, id| {
            encoding::put_request(out, id, Method::Nickname, &remote, &self.0.local_text);
            encoding::put_field(out, USE_NICKNAME, value);
            encoding::put_end(out, id, false, Continuation::Complete);
        });
        Ok(())
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NicknameRequest")
            .field("wanted", &nickname::wanted(&self.head))
            .finish_non_exhaustive()
    }
}
