//! Login, and login again before it ends (RFC 3261 §10.2).
use super::state::{State, success};
use crate::{
    client::{
        ClientError,
        request::{self, Ids},
    },
    sip::codec::{Message, Name, Uri},
};
use actix_rt::task::JoinHandle;
use std::{
    rc::{Rc, Weak},
    time::Duration,
};

/// The state of one device's binding. All its REGISTERs share a Call-ID.
pub(super) struct Registration {
    ids: Ids,
    service_route: Vec<String>,
    refresh: Option<JoinHandle<()>>,
}

/// The refresh comes this long before a registration ends, or at half of it if that is sooner.
const AHEAD: Duration = Duration::from_secs(60);
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MOST: Duration = Duration::from_secs(60);

impl Registration {
    pub fn new(call_id: String, tag: String) -> Self {
        Self {
            ids: Ids {
                call_id,
                tag,
                number: 0,
            },
            service_route: Vec::new(),
            refresh: None,
        }
    }

    /// The route the registrar gave for further requests.
    pub fn service_route(&self) -> &[String] {
        &self.service_route
    }

    /// The next identifiers; four numbers are kept for challenges.
    fn next(&mut self) -> Ids {
        let ids = Ids {
            number: self.ids.number + 1,
            ..self.ids.clone()
        };
        self.ids.number += 4;
        ids
    }

    fn stop(&mut self) {
        if let Some(refresh) = self.refresh.take() {
            refresh.abort();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) async fn register(
    device: &Rc<State>,
    lifetime: Duration,
) -> Result<Duration, ClientError> {
    let granted = bind(device, lifetime).await?;
    let task = actix_rt::spawn(refresh(Rc::downgrade(device), lifetime, granted));
    let mut registration = device.registration.borrow_mut();
    registration.stop();
    registration.refresh = Some(task);
    Ok(granted)
}

pub(super) async fn unregister(device: &Rc<State>) -> Result<(), ClientError> {
    device.registration.borrow_mut().stop();
    bind(device, Duration::ZERO).await.map(|_| ())
}

async fn refresh(device: Weak<State>, lifetime: Duration, mut granted: Duration) {
    let mut pause = RETRY_FIRST;
    loop {
        let wait = (granted / 2).max(granted.saturating_sub(AHEAD));
        tokio::time::sleep(wait.max(Duration::from_secs(1))).await;
        loop {
            let Some(device) = device.upgrade() else {
                return;
            };
            // boxed: thousands of these tasks sleep, few of them register
            match Box::pin(bind(&device, lifetime)).await {
                Ok(again) => {
                    granted = again;
                    pause = RETRY_FIRST;
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, user = %device.address, "registration not refreshed")
                }
            }
            drop(device);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MOST);
        }
    }
}

/// One REGISTER, a second one if the registrar wants a longer lifetime.
async fn bind(device: &Rc<State>, lifetime: Duration) -> Result<Duration, ClientError> {
    const NAME: &str = "registration";
    let mut seconds = lifetime.as_secs();
    let mut response = once(device, seconds).await?;
    if let (Some(423), Some(least)) = (response.code(), number(&response, Name::MinExpires)) {
        seconds = least;
        response = once(device, seconds).await?;
    }
    success(NAME, &response)?;
    device.registration.borrow_mut().service_route = response
        .list(Name::ServiceRoute)
        .iter()
        .map(|route| route.to_string())
        .collect();
    Ok(granted(device, &response).unwrap_or(Duration::from_secs(seconds)))
}

async fn once(device: &Rc<State>, seconds: u64) -> Result<Message, ClientError> {
    let ids = device.registration.borrow_mut().next();
    let (domain, contact) = (device.domain(), format!("<{}>", device.contact));
    device
        .exchange("registration", ids, |ids| {
            request::register(&device.address, &domain, &contact, seconds, ids)
        })
        .await
}

/// The lifetime of our own contact among those the registrar lists.
fn granted(device: &State, response: &Message) -> Option<Duration> {
    let own = Uri::parse(&device.contact).ok()?;
    let contacts = response.contacts().ok()?;
    let contact = contacts
        .list()
        .iter()
        .find(|contact| contact.uri.equivalent(&own));
    let seconds = contact
        .and_then(|contact| contact.expires())
        .or_else(|| response.expires())?;
    Some(Duration::from_secs(seconds.into()))
}

fn number(response: &Message, name: Name) -> Option<u64> {
    response.value(name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_refresh_is_small() {
        let task = refresh(Weak::new(), Duration::ZERO, Duration::ZERO);
        assert!(size_of_val(&task) <= 512, "{} octets", size_of_val(&task));
    }
}
