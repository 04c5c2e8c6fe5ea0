//! Senders log in.
use crate::crew::Crew;
use futures_util::{StreamExt, stream};

pub(super) async fn play(crew: &Crew) {
    stream::iter(crew.senders())
        .for_each_concurrent(crew.window(), |sender| async move {
            // a sender who cannot log in may still be allowed to send
            let _ = crew.log_in(sender).await;
        })
        .await;
}
