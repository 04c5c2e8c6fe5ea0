//! The news of one dialog, for a task that waits for them, and its end if the task gives up.
use crate::{
    msrp::actor::SessionHandle,
    sip::actor::{DialogEvent, DialogHandle, DialogNews, Reply},
};
use actix::prelude::*;
use bytes::Bytes;
use std::cell::RefCell;
use tokio::sync::mpsc;

/// Receives the news of one dialog. It stops with the dialog.
struct Listener(mpsc::UnboundedSender<DialogNews>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<DialogEvent> for Listener {
    type Result = ();

    fn handle(&mut self, event: DialogEvent, ctx: &mut Self::Context) {
        if self.0.send(event.news).is_err() {
            ctx.stop();
        }
    }
}

/// The news of one dialog, in their order. A dialog has a handful of them.
pub(super) struct News(mpsc::UnboundedReceiver<DialogNews>);

/// Where a dialog's news are to go, and where they come out.
pub(super) fn listen() -> (Recipient<DialogEvent>, News) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Listener(sender).start().recipient(), News(receiver))
}

impl News {
    /// The next news; `None` when the dialog is gone.
    pub async fn next(&mut self) -> Option<DialogNews> {
        self.0.recv().await
    }

    /// Answers what comes within the dialog until it ends.
    pub async fn until_end(&mut self, line: &Line) {
        while let Some(news) = self.next().await {
            match news {
                // the media stay as they are: the same description again (RFC 4975 §8.4)
                DialogNews::Offered { key, .. } => line.handle.answer(key, line.same_again()),
                DialogNews::Requested { key, .. } => line.handle.answer(key, Reply::new(405)),
                DialogNews::Failed { .. } | DialogNews::Cancelled | DialogNews::Ended(_) => return,
                _ => {}
            }
        }
    }
}

/// A dialog and its session. Dropped, it ends both.
pub(super) struct Line {
    pub handle: DialogHandle,
    pub session: RefCell<Option<SessionHandle>>,
    /// Our session description.
    pub description: Bytes,
}

impl Line {
    pub fn new(handle: DialogHandle, description: Bytes) -> Self {
        Self {
            handle,
            session: RefCell::new(None),
            description,
        }
    }

    fn same_again(&self) -> Reply {
        Reply::new(200).body(crate::profile::mime::SDP, self.description.clone())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // orders that no longer fit are ignored
        self.handle.bye(None);
        if let Some(session) = self.session.take() {
            session.close();
        }
    }
}
