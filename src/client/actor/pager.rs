//! A message as one request.
use super::{
    send::{unreadable, uri},
    source::Source,
    state::{State, outcome},
};
use crate::{
    client::{ClientError, Mode, Outcome, Outgoing, request},
    clock,
    profile::mime,
    sip::codec::{Builder, Name},
};
use bytes::Bytes;

/// Octets the endpoint adds for its Via.
const VIA: usize = 110;
/// Octets of credentials for a challenge that is still to come.
const CREDENTIALS: usize = 350;

/// A message as one request.
pub(super) struct Pager {
    body: Bytes,
    /// What the limit is about, in octets.
    pub size: usize,
}

impl Pager {
    /// The request, if the mode allows it and the content is small enough to be looked at.
    pub async fn build(
        device: &State,
        outgoing: &Outgoing,
        id: &str,
    ) -> Result<Option<Self>, ClientError> {
        if outgoing.mode == Mode::Channel {
            return Ok(None);
        }
        let mut source = Source::open(&outgoing.content).await?;
        let octets = source.left();
        if octets > device.config().pager_limit.as_u64() {
            return match outgoing.mode {
                Mode::Pager => Err(ClientError::TooLargeForPager {
                    size: usize::try_from(octets).unwrap_or(usize::MAX),
                    limit: usize::try_from(device.config().pager_limit.as_u64())
                        .unwrap_or(usize::MAX),
                }),
                _ => Ok(None),
            };
        }
        let read = source.next(usize::MAX).await;
        let content = read.map_err(|error| unreadable(outgoing, error))?.concat();
        let wrapper = request::wrapper(&device.address, outgoing, id, clock::wall());
        let body = wrapper.build(&outgoing.content_type, &content);
        let mut pager = Self { body, size: 0 };
        pager.size = pager.measure(device, outgoing);
        Ok(Some(pager))
    }

    /// What the limit is about: over UDP the whole request as it will leave, over a stream, which
    /// has congestion control, the body (RFC 3428 §8).
    fn measure(&self, device: &State, outgoing: &Outgoing) -> usize {
        if device.server.transport.is_reliable() {
            return self.body.len();
        }
        let request = device.routed(self.request(device, outgoing, &device.ids()));
        let bare = request.clone().build();
        let signed = device.responder().map(|responder| {
            let mut trial = responder.lock().clone();
            match trial.is_ready() {
                true => trial
                    .sign(request, "MESSAGE", bare.uri_text(), "0123456789abcdef")
                    .build()
                    .octets()
                    .len(),
                false => bare.octets().len() + CREDENTIALS,
            }
        });
        signed.unwrap_or(bare.octets().len()) + VIA
    }

    fn request(&self, device: &State, outgoing: &Outgoing, ids: &request::Ids) -> Builder {
        let uri = uri(outgoing);
        let request = request::message(
            uri,
            &device.address,
            &outgoing.to,
            ids,
            mime::CPIM,
            self.body.clone(),
        );
        match request::lifetime(outgoing.expires, clock::wall()) {
            Some(seconds) => request.header(Name::Expires, seconds),
            None => request,
        }
    }

    pub async fn send(&self, device: &State, outgoing: &Outgoing) -> Result<Outcome, ClientError> {
        let response = device
            .exchange("message", device.ids(), |ids| {
                self.request(device, outgoing, ids)
            })
            .await?;
        if let (Some(progress), Some(200..=299)) = (&outgoing.progress, response.code()) {
            progress(self.body.len() as u64, self.body.len() as u64);
        }
        Ok(outcome(
            response.code().unwrap_or_default(),
            response.reason(),
        ))
    }
}
