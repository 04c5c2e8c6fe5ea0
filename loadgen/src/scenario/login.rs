//! Those who are there log in.
use super::is_there;
use crate::crew::Crew;
use futures_util::{StreamExt, stream};

pub(super) async fn play(crew: &Crew) {
    let (scenario, part) = (crew.stage().scenario, crew.part());
    let users = crew.users().filter(|user| is_there(scenario, part, *user));
    stream::iter(users)
        .for_each_concurrent(crew.window(), |user| async move {
            // one who cannot log in may still be allowed to send
            if !crew.is_over() {
                let _ = crew.log_in(user).await;
            }
        })
        .await;
}
