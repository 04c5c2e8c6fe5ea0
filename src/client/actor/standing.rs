//! Calls that stay open behind their message, for the next one to the same receiver.
use super::{
    line::{Line, News},
    pipe::Events,
};
use crate::{msrp::actor::SessionHandle, sdp::MessageMedia};
use std::{cell::RefCell, collections::HashMap, time::Duration};
use tokio::sync::oneshot;

/// A call that was answered, and its channel. Dropped, it ends.
pub(super) struct OpenCall {
    pub line: Line,
    pub news: News,
    pub session: SessionHandle,
    pub events: Events,
    /// What the other side takes.
    pub remote: MessageMedia,
    /// Whether relays stand between the ends.
    pub is_relayed: bool,
    /// Whether a machine answered: a server that keeps the message.
    pub is_automaton: bool,
}

/// The calls of one device that wait for their next message: one for each receiver at most.
#[derive(Default)]
pub(super) struct Standing(RefCell<HashMap<String, Wanted>>);

/// Asks whoever holds a call for it.
type Wanted = oneshot::Sender<oneshot::Sender<OpenCall>>;

impl Standing {
    /// The call to `receiver`, if one is open that nobody uses.
    pub async fn take(&self, receiver: &str) -> Option<OpenCall> {
        let wanted = self.0.borrow_mut().remove(receiver)?;
        let (give, given) = oneshot::channel();
        wanted.send(give).ok()?;
        given.await.ok()
    }

    /// Keeps a call to `receiver` for `linger`; an earlier one that waits is ended.
    pub fn keep(&self, receiver: &str, call: OpenCall, linger: Duration) {
        let (wanted, want) = oneshot::channel();
        let mut calls = self.0.borrow_mut();
        calls.retain(|_, wanted| !wanted.is_closed());
        calls.insert(receiver.to_owned(), wanted);
        actix::spawn(hold(call, want, linger));
    }
}

/// Looks after a call nobody uses: until it is wanted, has ended, or has lingered long enough.
async fn hold(
    mut call: OpenCall,
    want: oneshot::Receiver<oneshot::Sender<OpenCall>>,
    linger: Duration,
) {
    let give = tokio::select! {
        () = call.news.until_end(&call.line) => return,
        () = tokio::time::sleep(linger) => return,
        give = want => give,
    };
    if let Ok(give) = give {
        // whoever wanted it may have gone: the call ends then
        let _ = give.send(call);
    }
}
