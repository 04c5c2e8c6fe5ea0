//! The operator's desk while a server runs: its admin API.
use crate::{
    config::Config,
    http::{
        AdminToken, TokenError,
        view::{
            EntryView, NewPassword, NewSubscriber, Page, Purged, QueueView, RefusalView,
            SubscriberView, TraceView,
        },
    },
    syntax::percent,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{net::SocketAddr, time::Duration};
use ureq::{
    Agent, Body,
    http::{Request, Response, header},
};

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The admin API of a running server.
pub(super) struct Desk {
    agent: Agent,
    server: SocketAddr,
    token: String,
}

/// Why the desk has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError {
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Nobody answers HTTP there.
    #[error("no server answers at http://{0}")]
    Nobody(SocketAddr),
    /// Somebody answers, but not as expected.
    #[error("the server at http://{server} gave no sensible answer: {error}")]
    Http {
        /// Who was asked.
        server: SocketAddr,
        /// What went wrong.
        error: ureq::Error,
    },
    /// The token is another server's.
    #[error(
        "the server at http://{0} does not know the token of this data folder: \
         does it run over another one (--data)?"
    )]
    Stranger(SocketAddr),
    /// The server says no.
    #[error("{0}")]
    Refused(String),
}

impl Desk {
    /// Goes to the server which `config` describes, and sees that somebody is there.
    ///
    /// Errors: `Nobody` if not, `Token` if its token cannot be read.
    pub(super) fn open(config: &Config) -> Result<Self, DeskError> {
        let server = config.http.listen;
        if std::net::TcpStream::connect_timeout(&server, Duration::from_secs(2)).is_err() {
            return Err(DeskError::Nobody(server));
        }
        let token = AdminToken::load(&config.server.data)?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Ok(Self {
            agent: agent.into(),
            server,
            token: token.as_str().to_owned(),
        })
    }

    pub(super) fn add_subscriber(&self, new: &NewSubscriber) -> Result<SubscriberView, DeskError> {
        self.tell("POST", "/subscribers", new)
    }

    pub(super) fn subscribers(&self) -> Result<Vec<SubscriberView>, DeskError> {
        self.all("/subscribers")
    }

    pub(super) fn subscriber(&self, address: &str) -> Result<SubscriberView, DeskError> {
        self.ask("GET", &format!("/subscribers/{}", segment(address)))
    }

    pub(super) fn set_password(
        &self,
        address: &str,
        new: &NewPassword,
    ) -> Result<SubscriberView, DeskError> {
        let path = format!("/subscribers/{}/password", segment(address));
        self.tell("PUT", &path, new)
    }

    pub(super) fn remove_subscriber(&self, address: &str) -> Result<SubscriberView, DeskError> {
        self.ask("DELETE", &format!("/subscribers/{}", segment(address)))
    }

    pub(super) fn queues(&self) -> Result<Vec<QueueView>, DeskError> {
        self.all("/queues")
    }

    pub(super) fn queue(&self, recipient: &str) -> Result<Vec<EntryView>, DeskError> {
        self.all(&format!("/queues/{}", segment(recipient)))
    }

    pub(super) fn purge(&self, recipient: &str) -> Result<Purged, DeskError> {
        self.ask("DELETE", &format!("/queues/{}", segment(recipient)))
    }

    pub(super) fn trace(&self, message_id: &str) -> Result<TraceView, DeskError> {
        self.ask("GET", &format!("/messages/{}", segment(message_id)))
    }

    /// All pages of a list.
    fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, DeskError> {
        let mut items = Vec::new();
        let mut query = String::from("?limit=1000");
        loop {
            let page: Page<T> = self.ask("GET", &format!("{path}{query}"))?;
            items.extend(page.items);
            let Some(next) = page.next else {
                return Ok(items);
            };
            query = format!("?limit=1000&after={}", segment(&next));
        }
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, path: &str) -> Result<T, DeskError> {
        let request = self.request(method, path).body(());
        let answer = request
            .map_err(ureq::Error::from)
            .and_then(|request| self.agent.run(request));
        self.read(answer)
    }

    fn tell<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, DeskError> {
        let request = ureq::SendBody::from_json(document)
            .and_then(|body| Ok(self.request(method, path).body(body)?));
        let answer = request.and_then(|request| self.agent.run(request));
        self.read(answer)
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://{}/api/v1{path}", self.server))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, DeskError> {
        let server = self.server;
        let http = |error| DeskError::Http { server, error };
        let mut answer = answer.map_err(http)?;
        match answer.status().as_u16() {
            200..=299 => answer.body_mut().read_json().map_err(http),
            401 => Err(DeskError::Stranger(server)),
            _ => {
                let refusal: RefusalView = answer.body_mut().read_json().map_err(http)?;
                Err(DeskError::Refused(refusal.detail))
            }
        }
    }
}

/// `text` as one segment of a path, or one value of a query.
fn segment(text: &str) -> String {
    percent::encode(text, percent::is_unreserved).into_owned()
}
