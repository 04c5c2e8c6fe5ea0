//! Senders send to receivers who are offline: a closed loop, every sender waits for the answer
//! before it sends its next message.
use crate::{crew::Crew, octets, plan::Planned};
use futures_util::{StreamExt, stream};
use restante::clock;
use std::time::Duration;

/// Pause before a message is sent again; doubled every time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn play(crew: &Crew) {
    stream::iter(crew.senders())
        .for_each_concurrent(crew.window(), |sender| async move {
            for message in crew.plan().of_sender(sender) {
                send(crew, &message).await;
            }
        })
        .await;
}

/// Sends `message` until it is acknowledged, refused for good, or the retries are used up.
async fn send(crew: &Crew, message: &Planned) {
    let content = crew.plan().content(message);
    let digest = octets::digest(&content);
    let mut pause = FIRST_PAUSE;
    for _ in 0..=crew.retries() {
        crew.book().sent(message, digest);
        let begun = clock::now();
        match crew.send(message, content.clone()).await {
            Ok(how) => {
                let now = clock::now();
                return crew.book().acknowledged(message, how, now - begun, now);
            }
            Err(failure) => {
                crew.book().refused(Some(message), &failure.reason);
                if failure.is_final {
                    return;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
