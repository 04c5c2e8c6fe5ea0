use super::{Focus, endpoint::Endpoint, roster::Participant};
use crate::{
    content::{
        conference_info::{
            ConferenceInfo, ConferenceState, Description, Endpoint as EndpointInfo, EndpointStatus,
            Entry, Execution, Media, Medium, State, User, Users,
        },
        resource_list::Copy,
    },
    identity::Address,
};

/// The only medium there is.
const LABEL: &str = "1";
const MESSAGE: &str = "message";
const BOTH_WAYS: &str = "sendrecv";

/// How far one subscription has been told (RFC 4575 §5.2: versions count within it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    version: u32,
    seen: u64,
}

impl Focus {
    /// All there is to know.
    pub fn full(&self, watch: &mut Watch) -> ConferenceInfo {
        watch.seen = self.revision;
        let listed = self.users.values().filter(|it| it.is_listed());
        ConferenceInfo {
            description: Some(self.description()),
            conference_state: Some(self.state()),
            users: Some(Users {
                state: State::Full,
                users: listed.map(|it| self.user(it)).collect(),
            }),
            ..self.document(watch, State::Full)
        }
    }

    /// What the watcher has not been told yet; nothing if that is nothing.
    pub fn changes(&self, watch: &mut Watch) -> Option<ConferenceInfo> {
        let seen = watch.seen;
        let changed = self.users.values().filter(|it| it.changed > seen);
        let changed = changed.filter(|it| it.is_listed()).map(|it| self.user(it));
        let gone = self.gone.iter().filter(|(_, when)| **when > seen);
        let gone = gone.map(|(entity, _)| User {
            entity: entity.clone(),
            state: State::Deleted,
            ..User::default()
        });
        let users: Vec<User> = gone.chain(changed).collect();
        let described = self.described > seen;
        watch.seen = self.revision;
        if users.is_empty() && !described {
            return None;
        }
        Some(ConferenceInfo {
            description: described.then(|| self.description()),
            conference_state: Some(self.state()),
            users: Some(Users {
                state: State::Partial,
                users,
            }),
            ..self.document(watch, State::Partial)
        })
    }

    /// That the group is no more.
    pub fn end(&self, watch: &mut Watch) -> ConferenceInfo {
        watch.seen = self.revision;
        self.document(watch, State::Deleted)
    }

    /// Whether `user` may watch the group: its members and its owner may.
    pub fn may_watch(&self, user: &Address) -> bool {
        self.group.has(user) || self.group.is_owner(user)
    }

    fn document(&self, watch: &mut Watch, state: State) -> ConferenceInfo {
        watch.version = watch.version.saturating_add(1);
        ConferenceInfo {
            entity: self.group.address.to_string(),
            state,
            version: watch.version,
            ..ConferenceInfo::default()
        }
    }

    fn description(&self) -> Description {
        let uri = |purpose: &str| Entry {
            uri: self.group.address.to_string(),
            display_text: None,
            purpose: Some(purpose.to_owned()),
        };
        Description {
            subject: self.group.subject.clone(),
            conf_uris: vec![uri("participation")],
            service_uris: vec![uri("event")],
            maximum_user_count: u32::try_from(self.rules.max_members).ok(),
            available_media: vec![Medium {
                label: LABEL.to_owned(),
                display_text: None,
                kind: MESSAGE.to_owned(),
                status: Some(BOTH_WAYS.to_owned()),
            }],
            ..Description::default()
        }
    }

    fn state(&self) -> ConferenceState {
        let listed = self.users.values().filter(|it| it.is_listed());
        let here = listed.filter(|it| it.endpoints.iter().any(Endpoint::is_here));
        ConferenceState {
            user_count: u32::try_from(here.count()).ok(),
            active: Some(true),
            locked: Some(self.users.len() >= self.rules.max_members),
        }
    }

    fn user(&self, participant: &Participant) -> User {
        let entity = participant.entity();
        let member = &participant.member;
        let endpoints = participant.endpoints.iter();
        let mut endpoints: Vec<_> = endpoints.map(|it| it.info(&entity)).collect();
        if endpoints.is_empty() {
            endpoints.push(EndpointInfo {
                entity: entity.clone(),
                status: Some(EndpointStatus::Pending),
                ..EndpointInfo::default()
            });
        }
        let role = match self.group.is_owner(&member.address) && member.is_visible() {
            true => "owner",
            false => "participant",
        };
        User {
            display_text: participant.display_text(),
            nickname: participant.nickname(),
            roles: vec![role.to_owned()],
            endpoints,
            entity,
            ..User::default()
        }
    }
}

impl Participant {
    /// Whether others learn that there is such a member.
    pub(super) fn is_listed(&self) -> bool {
        self.member.copy != Copy::Bcc
    }

    /// The address of one who hides, by which the others know them all the same.
    ///
    /// Source: RFC 4575 §5.6.
    pub(super) fn alias(&self) -> Option<Address> {
        let text = format!("sip:anonymous{}@anonymous.invalid", self.alias);
        let alias = Address::parse(&text).ok();
        alias.filter(|_| self.is_listed() && self.member.anonymous)
    }

    /// The URI under which the others know of it, if they do.
    pub(super) fn listed_as(&self) -> Option<String> {
        self.is_listed().then(|| self.entity())
    }

    fn entity(&self) -> String {
        let alias = self.alias();
        alias
            .unwrap_or_else(|| self.member.address.clone())
            .to_string()
    }

    fn display_text(&self) -> Option<String> {
        match self.member.anonymous {
            true => Some(format!("Anonymous{}", self.alias)),
            false => self.member.display_name.clone(),
        }
    }

    /// The nickname chosen last.
    fn nickname(&self) -> Option<String> {
        let mut endpoints = self.endpoints.iter().rev();
        let nickname = endpoints.find_map(|it| it.nickname.as_ref())?;
        Some(nickname.as_str().to_owned())
    }
}

impl Endpoint {
    /// What the others learn of it. Its Contact is not among that: it tells where the user is.
    fn info(&self, user: &str) -> EndpointInfo {
        let joined = self.joined.map(|when| Execution {
            when: Some(when.to_rfc3339()),
            ..Execution::default()
        });
        let left = self.left.as_ref().map(|left| Execution {
            when: Some(left.when.to_rfc3339()),
            reason: left.why.clone(),
            by: None,
        });
        let media = Media {
            id: LABEL.to_owned(),
            kind: Some(MESSAGE.to_owned()),
            label: Some(LABEL.to_owned()),
            status: Some(BOTH_WAYS.to_owned()),
            ..Media::default()
        };
        EndpointInfo {
            entity: format!("{user};device={}", self.id.0),
            status: Some(self.status),
            joining_method: joined.is_some().then_some(self.method),
            joining_info: joined,
            disconnection_method: self.left.as_ref().map(|left| left.how),
            disconnection_info: left,
            media: self.is_here().then_some(media).into_iter().collect(),
            ..EndpointInfo::default()
        }
    }
}
