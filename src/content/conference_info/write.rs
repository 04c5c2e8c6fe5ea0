use super::{
    ConferenceInfo, ConferenceState, Description, Endpoint, Entry, Execution, Media, Medium,
    NAMESPACE, State, User, Users, XCON_NAMESPACE,
};
use crate::content::xml::{Writer, text_of};

impl ConferenceInfo {
    /// Writes the document, its elements in the order of the schema.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let (entity, state) = (text_of(&self.entity), self.state.as_str());
        let version = self.version;
        out.open(&format!(
            "conference-info xmlns=\"{NAMESPACE}\" xmlns:xcon=\"{XCON_NAMESPACE}\" \
             entity=\"{entity}\" state=\"{state}\" version=\"{version}\""
        ));
        if let Some(told) = &self.description {
            out.line();
            description(told, &mut out);
        }
        if let Some(told) = &self.conference_state {
            out.line();
            conference_state(told, &mut out);
        }
        if let Some(told) = &self.users {
            out.line();
            users(told, &mut out);
        }
        out.line();
        out.close("conference-info");
        out.finish()
    }
}

fn description(told: &Description, out: &mut Writer) {
    out.open("conference-description");
    out.maybe("display-text", told.display_text.as_deref());
    out.maybe("subject", told.subject.as_deref());
    out.maybe("free-text", told.free_text.as_deref());
    out.maybe("keywords", told.keywords.as_deref());
    entries("conf-uris", &told.conf_uris, out);
    entries("service-uris", &told.service_uris, out);
    number("maximum-user-count", told.maximum_user_count, out);
    if !told.available_media.is_empty() {
        out.open("available-media");
        for one in &told.available_media {
            medium(one, out);
        }
        out.close("available-media");
    }
    out.close("conference-description");
}

fn medium(told: &Medium, out: &mut Writer) {
    out.open(&format!("entry label=\"{}\"", text_of(&told.label)));
    out.maybe("display-text", told.display_text.as_deref());
    out.leaf("type", &told.kind);
    out.maybe("status", told.status.as_deref());
    out.close("entry");
}

fn conference_state(told: &ConferenceState, out: &mut Writer) {
    let word = |flag: bool| if flag { "true" } else { "false" };
    out.open("conference-state");
    number("user-count", told.user_count, out);
    out.maybe("active", told.active.map(word));
    out.maybe("locked", told.locked.map(word));
    out.close("conference-state");
}

fn users(told: &Users, out: &mut Writer) {
    out.open(&format!("users{}", state(told.state)));
    for one in &told.users {
        out.line();
        user(one, out);
    }
    out.close("users");
}

fn user(told: &User, out: &mut Writer) {
    let mut start = format!("user entity=\"{}\"", text_of(&told.entity));
    start.push_str(&state(told.state));
    if let Some(nickname) = &told.nickname {
        start.push_str(&format!(" xcon:nickname=\"{}\"", text_of(nickname)));
    }
    out.open(&start);
    out.maybe("display-text", told.display_text.as_deref());
    entries("associated-aors", &told.associated_aors, out);
    if !told.roles.is_empty() {
        out.open("roles");
        told.roles.iter().for_each(|role| out.leaf("entry", role));
        out.close("roles");
    }
    out.maybe("languages", told.languages.as_deref());
    out.maybe("cascaded-focus", told.cascaded_focus.as_deref());
    for one in &told.endpoints {
        endpoint(one, out);
    }
    out.close("user");
}

fn endpoint(told: &Endpoint, out: &mut Writer) {
    let (entity, state) = (text_of(&told.entity), state(told.state));
    out.open(&format!("endpoint entity=\"{entity}\"{state}"));
    out.maybe("display-text", told.display_text.as_deref());
    execution("referred", told.referred.as_ref(), out);
    out.maybe("status", told.status.map(|it| it.as_str()));
    out.maybe("joining-method", told.joining_method.map(|it| it.as_str()));
    execution("joining-info", told.joining_info.as_ref(), out);
    let left = told.disconnection_method.map(|it| it.as_str());
    out.maybe("disconnection-method", left);
    execution("disconnection-info", told.disconnection_info.as_ref(), out);
    for one in &told.media {
        media(one, out);
    }
    out.close("endpoint");
}

fn media(told: &Media, out: &mut Writer) {
    out.open(&format!("media id=\"{}\"", text_of(&told.id)));
    out.maybe("display-text", told.display_text.as_deref());
    out.maybe("type", told.kind.as_deref());
    out.maybe("label", told.label.as_deref());
    out.maybe("src-id", told.src_id.as_deref());
    out.maybe("status", told.status.as_deref());
    out.close("media");
}

fn execution(name: &str, told: Option<&Execution>, out: &mut Writer) {
    let Some(told) = told else { return };
    out.open(name);
    out.maybe("when", told.when.as_deref());
    out.maybe("reason", told.reason.as_deref());
    out.maybe("by", told.by.as_deref());
    out.close(name);
}

fn entries(list: &str, told: &[Entry], out: &mut Writer) {
    if told.is_empty() {
        return;
    }
    out.open(list);
    for entry in told {
        out.open("entry");
        out.leaf("uri", &entry.uri);
        out.maybe("display-text", entry.display_text.as_deref());
        out.maybe("purpose", entry.purpose.as_deref());
        out.close("entry");
    }
    out.close(list);
}

fn number(name: &str, told: Option<u32>, out: &mut Writer) {
    let text = told.map(|number| number.to_string());
    out.maybe(name, text.as_deref());
}

/// The attribute, where it says other than what is meant without it.
fn state(state: State) -> String {
    match state {
        State::Full => String::new(),
        other => format!(" state=\"{}\"", other.as_str()),
    }
}
