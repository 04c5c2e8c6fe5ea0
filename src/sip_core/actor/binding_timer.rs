use super::{Location, RegistrationChanged};
use crate::clock;
use actix::prelude::*;
use std::time::Duration;

/// Ends bindings in time and tells who has none left. One per process.
pub struct BindingTimer {
    location: Location,
    listeners: Vec<Recipient<RegistrationChanged>>,
}

/// How late a binding may end.
const STEP: Duration = Duration::from_secs(1);

impl BindingTimer {
    /// Tells each of `listeners` of those whose last binding ended.
    pub fn new(location: Location, listeners: Vec<Recipient<RegistrationChanged>>) -> Self {
        Self {
            location,
            listeners,
        }
    }
}

impl Actor for BindingTimer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let watch = watch(self.location.clone(), self.listeners.clone());
        ctx.spawn(watch.into_actor(self));
    }
}

async fn watch(location: Location, listeners: Vec<Recipient<RegistrationChanged>>) {
    loop {
        actix::clock::sleep(STEP).await;
        let gone = match location.expire(clock::wall()).await {
            Ok(gone) => gone,
            Err(error) => {
                tracing::warn!(%error, "bindings could not be ended; it is tried again");
                continue;
            }
        };
        for news in gone {
            for listener in &listeners {
                if listener.send(news.clone()).await.is_err() {
                    location.metrics().news_lost.increment(1);
                }
            }
        }
    }
}
