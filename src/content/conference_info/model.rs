use super::{DisconnectionMethod, EndpointStatus, JoiningMethod, State};

/// What is known of a conference, or what changed of it. Units: addresses are URIs as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// The URI of the conference.
    pub entity: String,
    /// Whether this is all, a change, or the end.
    pub state: State,
    /// Grows by one with every change that the subscriber is told of.
    pub version: u32,
    /// What it is about.
    pub description: Option<Description>,
    /// How it is.
    pub conference_state: Option<ConferenceState>,
    /// Who is in it.
    pub users: Option<Users>,
}

/// What a conference is about (RFC 4575 §5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// A text for a directory.
    pub display_text: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// A longer text.
    pub free_text: Option<String>,
    /// Words to search by, a space between each.
    pub keywords: Option<String>,
    /// How to come in.
    pub conf_uris: Vec<Entry>,
    /// What else there is.
    pub service_uris: Vec<Entry>,
    /// How many users there may be.
    pub maximum_user_count: Option<u32>,
    /// The media it has.
    pub available_media: Vec<Medium>,
}

/// A URI with what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The URI.
    pub uri: String,
    /// A text to show.
    pub display_text: Option<String>,
    /// What accessing it does: `participation`, `event`, …
    pub purpose: Option<String>,
}

/// A medium that a conference has (RFC 4575 §5.3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Medium {
    /// Its name among the media of the conference.
    pub label: String,
    /// A text to show.
    pub display_text: Option<String>,
    /// As SDP calls it: `message`, `audio`, …
    pub kind: String,
    /// The direction, seen by a participant: `sendrecv`, …
    pub status: Option<String>,
}

/// How a conference is (RFC 4575 §5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceState {
    /// How many users are in it.
    pub user_count: Option<u32>,
    /// Whether one who may can come in.
    pub active: Option<bool>,
    /// Whether nobody can be added.
    pub locked: Option<bool>,
}

/// The users, or those who changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Whether these are all.
    pub state: State,
    /// Each with an `entity` of its own.
    pub users: Vec<User>,
}

/// A participant (RFC 4575 §5.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The URI, or an anonymous one.
    pub entity: String,
    /// Whether this is all, a change, or the end.
    pub state: State,
    /// How the user wants to be called in this conference (RFC 7701 §7.4).
    pub nickname: Option<String>,
    /// A name to show.
    pub display_text: Option<String>,
    /// Other addresses of the same user.
    pub associated_aors: Vec<Entry>,
    /// What the user is here, for people.
    pub roles: Vec<String>,
    /// Languages the user understands, a space between each.
    pub languages: Option<String>,
    /// The conference by which the user is here.
    pub cascaded_focus: Option<String>,
    /// The devices.
    pub endpoints: Vec<Endpoint>,
}

/// A device of a participant (RFC 4575 §5.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The Contact, or what else tells it from the others of the same user.
    pub entity: String,
    /// Whether this is all, a change, or the end.
    pub state: State,
    /// A text to show.
    pub display_text: Option<String>,
    /// Who wanted it here.
    pub referred: Option<Execution>,
    /// How it is.
    pub status: Option<EndpointStatus>,
    /// How it came in.
    pub joining_method: Option<JoiningMethod>,
    /// When and why it came in.
    pub joining_info: Option<Execution>,
    /// How it left.
    pub disconnection_method: Option<DisconnectionMethod>,
    /// When and why it left.
    pub disconnection_info: Option<Execution>,
    /// Its streams.
    pub media: Vec<Media>,
}

/// When, why and by whom something was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// The date (RFC 3339, in UTC).
    pub when: Option<String>,
    /// As a Reason header field would say it.
    pub reason: Option<String>,
    /// The URI of the one who did it.
    pub by: Option<String>,
}

/// A stream of a device (RFC 4575 §5.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// What tells it from the others of the same device.
    pub id: String,
    /// A text to show.
    pub display_text: Option<String>,
    /// As SDP calls it: `message`, `audio`, …
    pub kind: Option<String>,
    /// Its name among the media of the conference.
    pub label: Option<String>,
    /// Its source, in the medium's own terms.
    pub src_id: Option<String>,
    /// The direction: `sendrecv`, …
    pub status: Option<String>,
}
