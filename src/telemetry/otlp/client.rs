use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::{future::Future, pin::Pin, time::Duration};

/// Sends batches, on the thread that asks for it.
#[derive(Debug)]
pub(super) struct Client(ureq::Agent);

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl Client {
    pub fn new(timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false);
        Self(config.build().into())
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, body.to_vec());
        let mut answer = self.0.run(request)?;
        let body = answer.body_mut().read_to_vec()?;
        let answer = Response::builder().status(answer.status());
        Ok(answer.body(body.into())?)
    }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'async_trait>(&'a self, request: Request<Bytes>) -> Answer<'async_trait>
    where
        'a: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.send(request) })
    }
}
