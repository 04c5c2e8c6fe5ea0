use super::{
    ConferenceInfo, ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus,
    Entry, Execution, JoiningMethod, Media, Medium, State, User, Users,
};
use crate::content::{XmlError, xml::Element};

impl ConferenceInfo {
    /// Reads a document. Elements it does not know are passed over.
    ///
    /// Errors: `Element` where a key or the version is missing, or a state is none.
    /// Source: RFC 4575 §4.4, §4.5, §6.
    pub fn parse(document: &[u8]) -> Result<Self, XmlError> {
        let root = Element::document(document, &["conference-info"])?;
        let version = root.attribute("version").and_then(|it| it.parse().ok());
        Ok(Self {
            entity: key(&root, "entity", "conference-info")?,
            state: state(&root, "conference-info")?,
            version: version.ok_or(XmlError::Element("conference-info"))?,
            description: root.child("conference-description").map(description),
            conference_state: root.child("conference-state").map(conference_state),
            users: root.child("users").map(users).transpose()?,
        })
    }
}

fn description(element: &Element) -> Description {
    let media = element.child("available-media");
    let media = media.into_iter().flat_map(|list| list.all("entry"));
    Description {
        display_text: text(element, "display-text"),
        subject: text(element, "subject"),
        free_text: text(element, "free-text"),
        keywords: text(element, "keywords"),
        conf_uris: entries(element, "conf-uris"),
        service_uris: entries(element, "service-uris"),
        maximum_user_count: number(element, "maximum-user-count"),
        available_media: media.map(medium).collect(),
    }
}

fn medium(element: &Element) -> Medium {
    Medium {
        label: element.attribute("label").unwrap_or_default().to_owned(),
        display_text: text(element, "display-text"),
        kind: text(element, "type").unwrap_or_default(),
        status: text(element, "status"),
    }
}

fn conference_state(element: &Element) -> ConferenceState {
    let flag = |name| match element.text_of(name) {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        _ => None,
    };
    ConferenceState {
        user_count: number(element, "user-count"),
        active: flag("active"),
        locked: flag("locked"),
    }
}

fn users(element: &Element) -> Result<Users, XmlError> {
    let users = element.all("user").map(user);
    Ok(Users {
        state: state(element, "users")?,
        users: users.collect::<Result<_, _>>()?,
    })
}

fn user(element: &Element) -> Result<User, XmlError> {
    let roles = element.child("roles").into_iter();
    let roles = roles.flat_map(|list| list.all("entry"));
    let endpoints = element.all("endpoint").map(endpoint);
    Ok(User {
        entity: key(element, "entity", "user")?,
        state: state(element, "user")?,
        nickname: element.attribute("nickname").map(str::to_owned),
        display_text: text(element, "display-text"),
        associated_aors: entries(element, "associated-aors"),
        roles: roles.map(|role| role.text.trim().to_owned()).collect(),
        languages: text(element, "languages"),
        cascaded_focus: text(element, "cascaded-focus"),
        endpoints: endpoints.collect::<Result<_, _>>()?,
    })
}

fn endpoint(element: &Element) -> Result<Endpoint, XmlError> {
    let word = |name| element.text_of(name);
    let media = element.all("media").map(media);
    Ok(Endpoint {
        entity: key(element, "entity", "endpoint")?,
        state: state(element, "endpoint")?,
        display_text: text(element, "display-text"),
        referred: element.child("referred").map(execution),
        status: word("status").and_then(EndpointStatus::parse),
        joining_method: word("joining-method").and_then(JoiningMethod::parse),
        joining_info: element.child("joining-info").map(execution),
        disconnection_method: word("disconnection-method").and_then(DisconnectionMethod::parse),
        disconnection_info: element.child("disconnection-info").map(execution),
        media: media.collect::<Result<_, _>>()?,
    })
}

fn media(element: &Element) -> Result<Media, XmlError> {
    Ok(Media {
        id: key(element, "id", "media")?,
        display_text: text(element, "display-text"),
        kind: text(element, "type"),
        label: text(element, "label"),
        src_id: text(element, "src-id"),
        status: text(element, "status"),
    })
}

fn execution(element: &Element) -> Execution {
    Execution {
        when: text(element, "when"),
        reason: text(element, "reason"),
        by: text(element, "by"),
    }
}

fn entries(element: &Element, list: &str) -> Vec<Entry> {
    let list = element.child(list).into_iter();
    let entries = list.flat_map(|list| list.all("entry"));
    let entry = |element: &Element| Entry {
        uri: text(element, "uri").unwrap_or_default(),
        display_text: text(element, "display-text"),
        purpose: text(element, "purpose"),
    };
    entries.map(entry).collect()
}

fn text(element: &Element, name: &str) -> Option<String> {
    element.text_of(name).map(str::to_owned)
}

fn number(element: &Element, name: &str) -> Option<u32> {
    element.text_of(name).and_then(|text| text.parse().ok())
}

fn key(element: &Element, name: &str, of: &'static str) -> Result<String, XmlError> {
    let key = element.attribute(name).ok_or(XmlError::Element(of))?;
    Ok(key.to_owned())
}

fn state(element: &Element, of: &'static str) -> Result<State, XmlError> {
    match element.attribute("state") {
        None => Ok(State::Full),
        Some(word) => State::parse(word).ok_or(XmlError::Element(of)),
    }
}
