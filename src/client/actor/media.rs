//! A device's side of offer and answer, and the session that comes of it.
use super::{
    pipe::{Events, pipe},
    state::State,
};
use crate::{
    client::ClientError,
    content::multipart,
    msrp::{
        self,
        actor::{OpenSession, Role, SessionHandle},
    },
    net,
    profile::mime,
    sdp::{
        self, Conclusion, LocalMedia, MessageMedia, Names, SessionDescription, Setup, path::Hop,
    },
    sip::codec::{Message, Name},
};
use bytes::Bytes;
use std::{net::SocketAddr, rc::Rc};

/// Types a device takes on a channel.
const ACCEPT_TYPES: [&str; 2] = [mime::CPIM, "*"];

/// A session to be: its name is known, it is not open yet.
pub(super) struct Prospect {
    pub id: String,
    pub local: LocalMedia,
}

/// Our media line. The client connects wherever the other side lets it.
pub(super) fn prospect(device: &State) -> Prospect {
    let board = &device.host.board;
    let id = board.new_session_id();
    let listen = board.listen_addr();
    let media = MessageMedia {
        address: listen.ip().to_string(),
        port: listen.port(),
        path: board.local_uri(&id).to_string(),
        accept_types: ACCEPT_TYPES.map(str::to_owned).to_vec(),
        accept_wrapped_types: vec!["*".to_owned()],
        max_size: Some(device.config().max_size.as_u64()),
        setup: Some(Setup::Active),
        ..MessageMedia::default()
    };
    // an o= line takes 63 bits everywhere
    let session_id = net::random_u64() >> 1;
    let local = LocalMedia {
        session_id,
        version: 1,
        media,
        alternative: None,
    };
    Prospect { id, local }
}

/// What follows from the answer `remote` to our offer.
pub(super) fn concluded(
    local: &LocalMedia,
    remote: &MessageMedia,
) -> Result<Conclusion, ClientError> {
    let concluded = sdp::conclude(&local.media, remote, &Names::default());
    concluded.map_err(|refusal| ClientError::Answer {
        request: "channel",
        why: refusal.to_string(),
    })
}

/// The message media of an answer.
pub(super) fn answered(response: &Message) -> Result<MessageMedia, ClientError> {
    let unusable = |why: String| ClientError::Answer {
        request: "channel",
        why,
    };
    let description =
        description(response).ok_or_else(|| unusable("no session description".into()))?;
    let description = description.map_err(|error| unusable(error.to_string()))?;
    let media = description.message_media().map(|(_, media)| media);
    media.ok_or_else(|| unusable("message media rejected".into()))
}

/// The session description of a message, alone or among other parts.
pub(super) fn description(message: &Message) -> Option<Result<SessionDescription, sdp::SdpError>> {
    let content_type = message.value(Name::ContentType)?;
    if mime::is(&content_type, mime::SDP) {
        return Some(sdp::parse(message.body()));
    }
    let parts = multipart::parse(&content_type, message.body()).ok()?;
    let part = parts
        .iter()
        .find(|part| mime::is(part.content_type(), mime::SDP))?;
    Some(sdp::parse(&part.body))
}

/// Opens the session towards `remote`.
///
/// Errors: `Answer` if its path is none, `Connection` if its host has no address.
pub(super) async fn open(
    device: &Rc<State>,
    id: String,
    remote: &MessageMedia,
    (role, hop): (sdp::Role, &Hop),
) -> Result<(SessionHandle, Events), ClientError> {
    const NAME: &str = "channel";
    let path = msrp::Path::parse(&remote.path).map_err(|error| ClientError::Answer {
        request: NAME,
        why: error.to_string(),
    })?;
    let role = match role {
        sdp::Role::Listen => Role::Passive,
        sdp::Role::Connect => {
            Role::Active(address(hop).await.ok_or(ClientError::Connection(NAME))?)
        }
    };
    let (sink, events) = pipe();
    let session = device.host.board.open(OpenSession {
        local_id: id,
        remote_path: Some(path),
        role,
        accept_types: Vec::new(),
        max_size: Some(device.config().max_size.as_u64()),
        sink,
    });
    Ok((session, events))
}

async fn address(hop: &Hop) -> Option<SocketAddr> {
    let found = tokio::net::lookup_host((hop.host.as_str(), hop.port)).await;
    found.ok()?.next()
}

/// A body of several parts: the description and what goes with it.
pub(super) fn with_part(description: Bytes, content_type: &str, body: Vec<u8>) -> (String, Bytes) {
    let parts = [
        multipart::Part::new(mime::SDP, description),
        multipart::Part::new(content_type, body),
    ];
    multipart::build(&net::random_token(8), &parts)
}
