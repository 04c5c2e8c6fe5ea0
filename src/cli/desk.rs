//! The operator's desk while a server runs: its admin API.
use crate::{
    config::Config,
    http::{
        AdminToken, TokenError,
        view::{
            EntryView, GroupChange, GroupView, JobView, LimitsView, MailboxView, MessageView,
            NewBackup, NewGroup, NewMember, NewMembers, NewPassword, NewSubscriber, Page, Paged,
            Purged, QueuesView, RefusalView, StoreView, SubscriberChange, SubscriberView,
            WhichCopies,
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

    pub(super) fn subscribers(&self) -> Result<Page<SubscriberView>, DeskError> {
        self.all("/subscribers")
    }

    pub(super) fn subscriber(&self, address: &str) -> Result<SubscriberView, DeskError> {
        self.ask("GET", &format!("/subscribers/{}", segment(address)))
    }

    pub(super) fn change_subscriber(
        &self,
        address: &str,
        change: &SubscriberChange,
    ) -> Result<SubscriberView, DeskError> {
        self.tell(
            "PATCH",
            &format!("/subscribers/{}", segment(address)),
            change,
        )
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

    pub(super) fn add_group(&self, new: &NewGroup) -> Result<GroupView, DeskError> {
        self.tell("POST", "/groups", new)
    }

    pub(super) fn groups(&self) -> Result<Page<GroupView>, DeskError> {
        self.all("/groups")
    }

    pub(super) fn group(&self, address: &str) -> Result<GroupView, DeskError> {
        self.ask("GET", &format!("/groups/{}", segment(address)))
    }

    pub(super) fn change_group(
        &self,
        address: &str,
        change: &GroupChange,
    ) -> Result<GroupView, DeskError> {
        self.tell("PATCH", &format!("/groups/{}", segment(address)), change)
    }

    pub(super) fn join_group(
        &self,
        address: &str,
        members: Vec<NewMember>,
    ) -> Result<GroupView, DeskError> {
        let path = format!("/groups/{}/members", segment(address));
        self.tell("POST", &path, &NewMembers { members })
    }

    pub(super) fn leave_group(&self, address: &str, member: &str) -> Result<GroupView, DeskError> {
        let (group, member) = (segment(address), segment(member));
        self.ask("DELETE", &format!("/groups/{group}/members/{member}"))
    }

    pub(super) fn remove_group(&self, address: &str) -> Result<GroupView, DeskError> {
        self.ask("DELETE", &format!("/groups/{}", segment(address)))
    }

    pub(super) fn queues(&self) -> Result<QueuesView, DeskError> {
        self.all("/queues")
    }

    pub(super) fn queue(&self, recipient: &str) -> Result<MailboxView, DeskError> {
        self.all(&format!("/queues/{}", segment(recipient)))
    }

    pub(super) fn purge(&self, recipient: &str) -> Result<Purged, DeskError> {
        self.ask("DELETE", &format!("/queues/{}", segment(recipient)))
    }

    pub(super) fn delete_entry(
        &self,
        recipient: &str,
        sequence: u64,
    ) -> Result<EntryView, DeskError> {
        let path = format!("/queues/{}/{sequence}", segment(recipient));
        self.ask("DELETE", &path)
    }

    pub(super) fn message(&self, message_id: &str) -> Result<MessageView, DeskError> {
        self.ask("GET", &format!("/messages/{}", segment(message_id)))
    }

    pub(super) fn delete_message(
        &self,
        message_id: &str,
        which: &WhichCopies,
    ) -> Result<Purged, DeskError> {
        let mut path = format!("/messages/{}", segment(message_id));
        if let Some(recipient) = &which.recipient {
            path = format!("{path}?recipient={}", segment(recipient));
        }
        self.ask("DELETE", &path)
    }

    pub(super) fn classes(&self) -> Result<Vec<LimitsView>, DeskError> {
        self.ask("GET", "/classes")
    }

    pub(super) fn store(&self) -> Result<StoreView, DeskError> {
        self.ask("GET", "/store")
    }

    pub(super) fn begin_job(&self, kind: &str) -> Result<JobView, DeskError> {
        self.ask("POST", &format!("/store/{kind}"))
    }

    pub(super) fn backup(&self, new: &NewBackup) -> Result<JobView, DeskError> {
        self.tell("POST", "/store/backup", new)
    }

    pub(super) fn job(&self) -> Result<JobView, DeskError> {
        self.ask("GET", "/store/job")
    }

    /// All pages of a list.
    fn all<P: Paged + DeserializeOwned>(&self, path: &str) -> Result<P, DeskError> {
        let mut all: P = self.ask("GET", &format!("{path}?limit=1000"))?;
        while let Some(next) = all.take_next() {
            let path = format!("{path}?limit=1000&after={}", segment(&next));
            all.append(self.ask("GET", &path)?);
        }
        Ok(all)
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
