//! What happens to the devices of those who belong to a group.
use super::{
    Abilities, EndpointId, Focus, NicknameRefusal, Step,
    endpoint::{Endpoint, Left},
    roster::Participant,
};
use crate::{
    clock::Timestamp,
    content::conference_info::{DisconnectionMethod, EndpointStatus},
    controlling::{Nickname, Refusal},
    identity::Address,
};

impl Focus {
    /// A device of `user` is being called. Errors: `NotMember`.
    pub fn dial_out(&mut self, user: &Address) -> Result<EndpointId, Refusal> {
        self.add(user, Endpoint::called)
    }

    /// A device of `user` has called and is connected. Errors: `NotMember`.
    pub fn dial_in(
        &mut self,
        user: &Address,
        abilities: Abilities,
        now: Timestamp,
    ) -> Result<EndpointId, Refusal> {
        self.add(user, |id| Endpoint::calling(id, abilities, now))
    }

    /// A device rings.
    pub fn alert(&mut self, id: EndpointId) -> Result<(), Step> {
        self.step(id, EndpointStatus::Alerting, |_| {})
    }

    /// A device that was called has answered.
    pub fn connect(
        &mut self,
        id: EndpointId,
        abilities: Abilities,
        now: Timestamp,
    ) -> Result<(), Step> {
        self.step(id, EndpointStatus::Connected, |endpoint| {
            endpoint.abilities = abilities;
            endpoint.joined = Some(now);
        })
    }

    /// A device wants to hear nothing for now.
    pub fn hold(&mut self, id: EndpointId) -> Result<(), Step> {
        self.step(id, EndpointStatus::OnHold, |_| {})
    }

    /// A device wants to hear again.
    pub fn resume(&mut self, id: EndpointId) -> Result<(), Step> {
        self.step(id, EndpointStatus::Connected, |_| {})
    }

    /// A device is being sent away.
    pub fn boot(&mut self, id: EndpointId) -> Result<(), Step> {
        self.step(id, EndpointStatus::Disconnecting, |_| {})
    }

    /// A device is not there any more, or never came; why, as a Reason header field says it.
    pub fn disconnect(
        &mut self,
        id: EndpointId,
        how: DisconnectionMethod,
        why: Option<String>,
        now: Timestamp,
    ) -> Result<(), Step> {
        let mut nickname = None;
        self.step(id, EndpointStatus::Disconnected, |endpoint| {
            let when = now;
            endpoint.left = Some(Left { how, when, why });
            nickname = endpoint.nickname.take();
        })?;
        if let Some(nickname) = nickname {
            self.nicknames.give_up(&nickname, now);
        }
        let user = self.whose.remove(&id);
        let participant = user.and_then(|user| self.users.get_mut(&user));
        if let Some(participant) = participant {
            participant.forget_all_gone_but(id);
        }
        Ok(())
    }

    /// Lets a device go by a nickname, or by none.
    ///
    /// Errors: as [`NicknameRefusal`] names them; the one it goes by stays then.
    pub fn name(
        &mut self,
        id: EndpointId,
        wanted: Option<&str>,
        now: Timestamp,
    ) -> Result<(), NicknameRefusal> {
        let user = self.whose.get(&id).filter(|_| self.rules.nicknames);
        let user = user.ok_or(NicknameRefusal::NotAllowed)?.clone();
        let wanted = wanted.map(Nickname::parse).transpose();
        let wanted = wanted.map_err(|_| NicknameRefusal::Malformed)?;
        if let Some(nickname) = &wanted {
            let mut reserved = self.rules.reserved.iter();
            if reserved.any(|word| word == nickname.key()) {
                return Err(NicknameRefusal::Taken);
            }
            self.nicknames.take(nickname, &user, now)?;
        }
        let endpoint = self.endpoint_mut(id).ok_or(NicknameRefusal::NotAllowed)?;
        let before = std::mem::replace(&mut endpoint.nickname, wanted);
        if let Some(before) = before {
            self.nicknames.give_up(&before, now);
        }
        self.touch(&user);
        Ok(())
    }

    fn add(
        &mut self,
        user: &Address,
        make: impl FnOnce(EndpointId) -> Endpoint,
    ) -> Result<EndpointId, Refusal> {
        let participant = self.users.get_mut(user).ok_or(Refusal::NotMember)?;
        self.last_endpoint += 1;
        let id = EndpointId(self.last_endpoint);
        participant.endpoints.retain(|it| !it.is_gone());
        participant.endpoints.push(make(id));
        self.whose.insert(id, user.clone());
        self.touch(user);
        Ok(id)
    }

    fn step(
        &mut self,
        id: EndpointId,
        to: EndpointStatus,
        then: impl FnOnce(&mut Endpoint),
    ) -> Result<(), Step> {
        let endpoint = self.endpoint_mut(id).ok_or(Step::Unknown)?;
        endpoint.go(to)?;
        then(endpoint);
        if let Some(user) = self.whose.get(&id).cloned() {
            self.touch(&user);
        }
        Ok(())
    }

    fn endpoint_mut(&mut self, id: EndpointId) -> Option<&mut Endpoint> {
        let participant = self.users.get_mut(self.whose.get(&id)?)?;
        participant.endpoints.iter_mut().find(|it| it.id == id)
    }

    fn touch(&mut self, user: &Address) {
        self.revision += 1;
        if let Some(participant) = self.users.get_mut(user) {
            participant.changed = self.revision;
        }
    }
}

impl Participant {
    /// Of those which left, one is enough to tell of, and none where another is there.
    fn forget_all_gone_but(&mut self, id: EndpointId) {
        let others_live = self.endpoints.iter().any(|it| !it.is_gone());
        self.endpoints
            .retain(|it| !it.is_gone() || (it.id == id && !others_live));
    }
}
