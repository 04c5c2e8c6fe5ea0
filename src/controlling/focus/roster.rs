use super::{EndpointId, endpoint::Endpoint, nicknames::Nicknames};
use crate::{
    clock::Timestamp,
    controlling::{Config, Group, Member, Nickname},
    identity::Address,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A group in session. A function of what happens: it reads no clock and sends nothing.
#[derive(Clone, Debug)]
pub struct Focus {
    pub(super) group: Arc<Group>,
    pub(super) rules: Rules,
    pub(super) users: BTreeMap<Address, Participant>,
    /// Those who belonged to it and no more, and when that was told of.
    pub(super) gone: BTreeMap<String, u64>,
    /// Grows with everything that a watcher could see.
    pub(super) revision: u64,
    /// When what the group is about changed last.
    pub(super) described: u64,
    pub(super) whose: HashMap<EndpointId, Address>,
    pub(super) nicknames: Nicknames,
    pub(super) last_endpoint: u64,
    last_alias: u32,
}

/// What the operator allows in groups.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) max_members: usize,
    pub(super) private_messages: bool,
    pub(super) nicknames: bool,
    pub(super) reserved: Vec<String>,
}

/// A member, with the devices that are or were there.
#[derive(Clone, Debug)]
pub(super) struct Participant {
    pub(super) member: Member,
    pub(super) endpoints: Vec<Endpoint>,
    /// The number under which an anonymous one is known.
    pub(super) alias: u32,
    /// When anything of this one changed last.
    pub(super) changed: u64,
}

impl Focus {
    /// A group that nobody is there of yet.
    pub fn new(group: Arc<Group>, config: &Config) -> Self {
        let key = |word: &String| Nickname::parse(word).map(|it| it.key().to_owned());
        let reserved = config
            .reserved_nicknames
            .iter()
            .filter_map(|it| key(it).ok());
        let mut focus = Self {
            rules: Rules {
                max_members: config.max_members,
                private_messages: config.private_messages,
                nicknames: config.nicknames,
                reserved: reserved.collect(),
            },
            users: BTreeMap::new(),
            gone: BTreeMap::new(),
            revision: 1,
            described: 1,
            whose: HashMap::new(),
            nicknames: Nicknames::new(config.nickname_quarantine),
            last_endpoint: 0,
            last_alias: 0,
            group: group.clone(),
        };
        for member in group.members.values() {
            focus.admit(member);
        }
        focus
    }

    /// The group as it is known here.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Takes a new picture of the group; the devices which are to be sent away, because their
    /// users belong to it no more. They are not in the roster any longer.
    pub fn update(&mut self, group: Arc<Group>, now: Timestamp) -> Vec<EndpointId> {
        if group.version <= self.group.version {
            return Vec::new();
        }
        self.revision += 1;
        if group.subject != self.group.subject || group.owner != self.group.owner {
            self.described = self.revision;
        }
        self.group = group.clone();
        let before = self.users.keys();
        let lost: Vec<_> = before.filter(|it| !group.has(it)).cloned().collect();
        let mut ejected = Vec::new();
        for user in lost {
            ejected.extend(self.expel(&user, now));
        }
        for member in group.members.values() {
            match self.users.get_mut(&member.address) {
                Some(known) if known.member == *member => {}
                Some(known) => {
                    let before = known.listed_as();
                    known.member = member.clone();
                    known.changed = self.revision;
                    let now = known.listed_as();
                    if before != now {
                        if let Some(entity) = now {
                            self.gone.remove(&entity);
                        }
                        self.gone
                            .extend(before.map(|entity| (entity, self.revision)));
                    }
                }
                None => self.admit(member),
            }
        }
        ejected
    }

    /// Whose device this is, as long as it is there.
    pub fn user_of(&self, id: EndpointId) -> Option<&Address> {
        self.whose.get(&id)
    }

    /// The devices of `user` that are there.
    pub fn devices_of(&self, user: &Address) -> impl Iterator<Item = EndpointId> + '_ {
        let participant = self.users.get(user).into_iter();
        let endpoints = participant.flat_map(|it| &it.endpoints);
        endpoints.filter(|it| it.is_here()).map(|it| it.id)
    }

    /// Whether a device of `user` is there.
    pub fn is_here(&self, user: &Address) -> bool {
        self.devices_of(user).next().is_some()
    }

    /// Whether no device is there, nor called.
    pub fn is_empty(&self) -> bool {
        self.whose.is_empty()
    }

    /// Whether a device of `user` that is there tells private messages from others.
    pub(super) fn is_private(&self, user: &Address) -> bool {
        let participant = self.users.get(user).into_iter();
        let mut endpoints = participant.flat_map(|it| &it.endpoints);
        endpoints.any(|it| it.is_here() && it.abilities.private_messages)
    }

    fn admit(&mut self, member: &Member) {
        self.last_alias += 1;
        let participant = Participant {
            member: member.clone(),
            endpoints: Vec::new(),
            alias: self.last_alias,
            changed: self.revision,
        };
        if let Some(entity) = participant.listed_as() {
            self.gone.remove(&entity);
        }
        self.users.insert(member.address.clone(), participant);
    }

    fn expel(&mut self, user: &Address, now: Timestamp) -> Vec<EndpointId> {
        let Some(participant) = self.users.remove(user) else {
            return Vec::new();
        };
        let listed = participant.listed_as();
        self.gone
            .extend(listed.map(|entity| (entity, self.revision)));
        let alive = participant.endpoints.iter().filter(|it| !it.is_gone());
        let mut ejected = Vec::new();
        for endpoint in alive {
            self.whose.remove(&endpoint.id);
            if let Some(nickname) = &endpoint.nickname {
                self.nicknames.give_up(nickname, now);
            }
            ejected.push(endpoint.id);
        }
        ejected
    }
}
