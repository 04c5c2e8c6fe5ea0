use actix::prelude::*;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Turns the news of an actor below into a stream that a flow awaits, one arrow of the ladder
/// after the other. What a dialog tells its owner is a handful of events, so the queue needs no
/// bound of its own.
struct Feed<M>(UnboundedSender<M>);

/// News that may wait for a flow that is just being started.
const ROOM: usize = 64;

impl<M: Message<Result = ()> + Send + Unpin + 'static> Actor for Feed<M> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(ROOM);
    }
}

impl<M: Message<Result = ()> + Send + Unpin + 'static> Handler<M> for Feed<M> {
    type Result = ();

    fn handle(&mut self, news: M, ctx: &mut Self::Context) {
        if self.0.send(news).is_err() {
            ctx.stop();
        }
    }
}

/// Where an actor below sends its news, and where the flow reads them.
pub fn feed<M: Message<Result = ()> + Send + Unpin + 'static>()
-> (Recipient<M>, UnboundedReceiver<M>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Feed(sender).start().recipient(), receiver)
}
