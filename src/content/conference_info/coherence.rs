use super::{ConferenceInfo, Endpoint, State, User, Users};

/// What a document did to what a subscriber knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The subscriber knows what it tells.
    Taken,
    /// It is no newer than what is known.
    Old,
    /// Others before it are missing: the subscription must be refreshed.
    Missed,
    /// The conference is over.
    Over,
}

impl ConferenceInfo {
    /// Puts what a document tells into what is known.
    ///
    /// Source: RFC 4575 §4.6.
    pub fn apply(&mut self, update: Self) -> Applied {
        if update.version <= self.version {
            return Applied::Old;
        }
        match update.state {
            State::Full => *self = update,
            State::Deleted => {
                *self = update;
                return Applied::Over;
            }
            State::Partial if update.version != self.version + 1 => return Applied::Missed,
            State::Partial => self.change(update),
        }
        Applied::Taken
    }

    fn change(&mut self, update: Self) {
        self.version = update.version;
        if update.description.is_some() {
            self.description = update.description;
        }
        if update.conference_state.is_some() {
            self.conference_state = update.conference_state;
        }
        match (update.users, &mut self.users) {
            (None, _) => {}
            (Some(told), Some(known)) if told.state == State::Partial => known.change(told),
            (Some(told), known) if told.state == State::Deleted => *known = None,
            (Some(told), known) => {
                *known = Some(Users {
                    state: State::Full,
                    users: told.users.into_iter().map(User::whole).collect(),
                });
            }
        }
    }
}

impl Users {
    fn change(&mut self, update: Self) {
        for told in update.users {
            let place = self.users.iter().position(|it| it.entity == told.entity);
            match (told.state, place) {
                (State::Deleted, Some(place)) => {
                    self.users.remove(place);
                }
                (State::Deleted, None) => {}
                (State::Partial, Some(place)) => self.users[place].change(told),
                (_, Some(place)) => self.users[place] = told,
                (_, None) => self.users.push(told.whole()),
            }
        }
    }
}

impl User {
    fn whole(mut self) -> Self {
        self.state = State::Full;
        let endpoints = self.endpoints.into_iter();
        self.endpoints = endpoints.map(Endpoint::whole).collect();
        self
    }

    fn change(&mut self, update: Self) {
        replace(&mut self.nickname, update.nickname);
        replace(&mut self.display_text, update.display_text);
        replace(&mut self.languages, update.languages);
        replace(&mut self.cascaded_focus, update.cascaded_focus);
        replace_all(&mut self.associated_aors, update.associated_aors);
        replace_all(&mut self.roles, update.roles);
        for told in update.endpoints {
            let mut known = self.endpoints.iter();
            let place = known.position(|it| it.entity == told.entity);
            match (told.state, place) {
                (State::Deleted, Some(place)) => {
                    self.endpoints.remove(place);
                }
                (State::Deleted, None) => {}
                (State::Partial, Some(place)) => self.endpoints[place].change(told),
                (_, Some(place)) => self.endpoints[place] = told,
                (_, None) => self.endpoints.push(told.whole()),
            }
        }
    }
}

impl Endpoint {
    fn whole(mut self) -> Self {
        self.state = State::Full;
        self
    }

    fn change(&mut self, update: Self) {
        replace(&mut self.display_text, update.display_text);
        replace(&mut self.referred, update.referred);
        replace(&mut self.status, update.status);
        replace(&mut self.joining_method, update.joining_method);
        replace(&mut self.joining_info, update.joining_info);
        replace(&mut self.disconnection_method, update.disconnection_method);
        replace(&mut self.disconnection_info, update.disconnection_info);
        for told in update.media {
            match self.media.iter_mut().find(|it| it.id == told.id) {
                Some(known) => *known = told,
                None => self.media.push(told),
            }
        }
    }
}

fn replace<T>(known: &mut Option<T>, told: Option<T>) {
    if told.is_some() {
        *known = told;
    }
}

fn replace_all<T>(known: &mut Vec<T>, told: Vec<T>) {
    if !told.is_empty() {
        *known = told;
    }
}
