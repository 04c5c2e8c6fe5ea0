//! A device's side of offer and answer, and the session that comes of it.
use super::{
    pipe::{Events, pipe},
    relay::Passage,
    state::State,
};
use crate::{
    client::ClientError,
    content::multipart,
    msrp::{
        self,
        actor::{OpenSession, Role, SessionHandle, address_of, addresses_of},
    },
    net,
    profile::mime,
    sdp::{
        self, Chatroom, LocalMedia, MessageMedia, Names, Security, SessionDescription, Setup,
        path::Hop,
    },
    sip::codec::{Message, Name},
};
use bytes::Bytes;
use std::rc::Rc;

/// Types a device takes on a channel.
const ACCEPT_TYPES: [&str; 2] = [mime::CPIM, "*"];

/// A session to be: its name is known, it is not open yet.
pub(super) struct Prospect {
    pub id: String,
    pub local: LocalMedia,
    passage: Option<Passage>,
}

impl Prospect {
    /// Whether relays stand between the ends, so that a 200 says nothing of the peer.
    pub fn is_relayed(&self, remote: &MessageMedia) -> bool {
        self.passage.is_some() || remote.is_relayed()
    }
}

/// Our media line, with URIs at the device's relays. Without relays the client connects wherever
/// the other side lets it.
pub(super) async fn prospect(device: &State) -> Result<Prospect, ClientError> {
    let board = &device.host.board;
    let id = board.new_session_id();
    let own = board.local_uri(&id);
    let config = device.config();
    if config.media_security == Security::Required && !config.relays.is_empty() {
        return Err(unusable("relays are reached without TLS".into()));
    }
    let passage = Passage::open(device, own.clone()).await?;
    let (media, alternative) = match &passage {
        Some(passage) => (media(device, &passage.public.to_string()), None),
        None => {
            let secure = board.local_secure_uri(&id).zip(board.fingerprint());
            let secure = secure.map(|(uri, fingerprint)| MessageMedia {
                tls: true,
                fingerprints: fingerprint.to_string().parse().into_iter().collect(),
                ..media(device, uri.as_str())
            });
            let security = device.config().media_security;
            security.ways(media(device, own.as_str()), secure)
        }
    };
    // an o= line takes 63 bits everywhere
    let session_id = net::random_u64() >> 1;
    let local = LocalMedia {
        session_id,
        version: 1,
        media,
        alternative,
    };
    Ok(Prospect { id, local, passage })
}

/// The media line of a channel that ends at the last URI of `path`.
fn media(device: &State, path: &str) -> MessageMedia {
    let mut media = MessageMedia {
        path: path.to_owned(),
        accept_types: ACCEPT_TYPES.map(str::to_owned).to_vec(),
        accept_wrapped_types: vec!["*".to_owned()],
        max_size: Some(device.config().max_size.as_u64()),
        cema: device.config().cema,
        chatroom: Some(Chatroom {
            nickname: true,
            private_messages: true,
            others: Vec::new(),
        }),
        ..MessageMedia::default()
    };
    media.setup = Some(match media.is_relayed() {
        true => Setup::ActPass,
        false => Setup::Active,
    });
    if let Some(hop) = media.first_hop() {
        (media.address, media.port) = (hop.host, hop.port);
    }
    media
}

/// Answers `offer`.
pub(super) async fn answer(
    offer: &SessionDescription,
    local: &LocalMedia,
) -> Result<(sdp::Answer, Agreed), sdp::Refusal> {
    let offered = offer.messages().map(|(_, media)| media);
    let names = names(offered.filter(|media| local.media.cema && media.cema)).await;
    let answer = sdp::answer(offer, local, &names)?;
    let agreed = Agreed {
        role: answer.role,
        hop: answer.hop.clone(),
        remote: answer.remote.clone(),
        cema: answer.local.cema,
        tls: answer.local.tls,
    };
    Ok((answer, agreed))
}

/// Takes the answer in `response` to our offer.
pub(super) async fn conclude(
    response: &Message,
    local: &LocalMedia,
) -> Result<Agreed, ClientError> {
    let remote = answered(response)?;
    let names = names([remote.clone()].into_iter().filter(|_| local.media.cema)).await;
    let concluded = sdp::conclude(&local.media, &remote, &names);
    let concluded = concluded.map_err(|refusal| unusable(refusal.to_string()))?;
    Ok(Agreed {
        role: concluded.role,
        hop: concluded.hop,
        remote,
        cema: concluded.cema,
        tls: local.media.tls,
    })
}

/// What offer and answer have settled.
pub(super) struct Agreed {
    role: sdp::Role,
    hop: Hop,
    pub remote: MessageMedia,
    cema: bool,
    tls: bool,
}

/// Looks up what is needed to tell whether a middlebox has changed these.
async fn names(medias: impl Iterator<Item = MessageMedia>) -> Names {
    let hosts = medias.flat_map(|media| sdp::unknown_names(&media));
    addresses_of(hosts).await.into_iter().collect()
}

fn unusable(why: String) -> ClientError {
    ClientError::Answer {
        request: "channel",
        why,
    }
}

/// The message media of an answer.
fn answered(response: &Message) -> Result<MessageMedia, ClientError> {
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

/// Opens the session that was agreed on.
///
/// Errors: `Answer` if the peer's path is none, `Connection` if its host has no address.
pub(super) async fn open(
    device: &Rc<State>,
    prospect: Prospect,
    agreed: &Agreed,
) -> Result<(SessionHandle, Events), ClientError> {
    let remote = msrp::Path::parse(&agreed.remote.path);
    let remote = remote.map_err(|error| unusable(error.to_string()))?;
    let role = match agreed.role {
        sdp::Role::Listen => Role::Passive,
        sdp::Role::Connect => Role::Active(match prospect.passage {
            // where its relay is does not matter any more
            Some(_) => device.host.board.listen_addr(),
            None => {
                let addr = address_of(&agreed.hop.host, agreed.hop.port).await;
                addr.map_err(|_| ClientError::Connection("channel"))?
            }
        }),
    };
    let is_relayed = prospect.passage.is_some();
    let (sink, events) = pipe();
    let mut open = OpenSession {
        local_id: prospect.id,
        remote_path: None,
        role,
        accept_types: Vec::new(),
        max_size: Some(device.config().max_size.as_u64()),
        sink,
    };
    let board = &device.host.board;
    let session = match prospect.passage {
        None if agreed.tls => {
            let session = board.open_secure(open, Vec::new());
            session.ok_or_else(|| unusable("this host has no certificate".into()))?
        }
        None => board.open(open),
        Some(passage) => {
            open.remote_path = Some(passage.path_to(&remote));
            board.open_on(passage.into_stream(), open)
        }
    };
    if agreed.tls && !agreed.remote.is_relayed() {
        let known = sdp::Fingerprint::decisive(&agreed.remote.fingerprints);
        let known: Vec<_> = known.iter().map(|known| known.to_string()).collect();
        if known.is_empty() {
            session.close();
            return Err(unusable(
                "no certificate announced by SHA-256 or better".into(),
            ));
        }
        session.expect_certificates(&known);
    }
    if agreed.cema {
        session.expect_middlebox();
    }
    if !is_relayed {
        session.set_remote(&remote);
    }
    Ok((session, events))
}

/// A body of several parts: the description and what goes with it.
pub(super) fn with_part(description: Bytes, content_type: &str, body: Vec<u8>) -> (String, Bytes) {
    let parts = [
        multipart::Part::new(mime::SDP, description),
        multipart::Part::new(content_type, body),
    ];
    multipart::build(&net::random_token(8), &parts)
}
