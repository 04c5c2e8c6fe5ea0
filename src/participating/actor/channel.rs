use super::Services;
use crate::{
    msrp::{
        Path, Uri,
        actor::{OpenSession, Role, SessionEvent, SessionHandle, Sink, address_of, addresses_of},
    },
    participating::invitation,
    sdp::{
        self, Anchor, Chatroom, LocalMedia, MessageMedia, Names, SdpError, SessionDescription,
        path::Hop,
    },
};
use std::rc::Rc;

/// This server's end of one channel: the MSRP session it offers or answers with.
pub(super) struct Channel {
    services: Rc<Services>,
    id: String,
    local: LocalMedia,
}

/// A channel that was agreed on.
pub(super) struct Agreed {
    pub session: SessionHandle,
    pub remote: MessageMedia,
    /// The description to answer with; nothing where this end offered.
    pub body: Vec<u8>,
}

/// Why no channel can be made of a session description.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Description(#[from] SdpError),
    #[error("{}", .0.kind())]
    Refused(sdp::Refusal),
    #[error("a=path can't be read")]
    Path,
    #[error("the host in a=path can't be found")]
    Host,
    #[error("a=fingerprint announces no certificate by SHA-256 or better")]
    NoFingerprint,
    #[error("this server has no certificate")]
    NoTls,
}

impl Unfit {
    /// The SIP status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Self::Description(error) => error.status(),
            Self::Refused(refusal) => refusal.status(),
            Self::Path => 400,
            Self::Host | Self::NoFingerprint => 488,
            Self::NoTls => 500,
        }
    }

    /// The value of a Warning header, where the standard has one for it.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.warning("restante")),
            _ => None,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Description(error) => error.kind(),
            Self::Refused(refusal) => refusal.kind(),
            Self::Path => "bad_path",
            Self::Host => "unknown_host",
            Self::NoFingerprint => "no_fingerprint",
            Self::NoTls => "no_certificate",
        }
    }
}

/// Takes the events of a session that has no user yet.
pub(super) struct Nobody;

impl Sink for Nobody {
    fn handle(&mut self, _: &mut Vec<SessionEvent>, _: &SessionHandle) {}
}

impl Channel {
    pub fn new(services: &Rc<Services>) -> Self {
        let id = services.switchboard.new_session_id();
        let board = &services.switchboard;
        let media = |uri: Uri| MessageMedia {
            cema: services.config.cema,
            tls: uri.is_secure(),
            ..invitation::media(
                uri.as_str(),
                services.deferred.config().max_message.as_u64(),
            )
        };
        let fingerprint = board.fingerprint();
        let fingerprint = fingerprint.and_then(|known| known.to_string().parse().ok());
        let secure = board.local_secure_uri(&id).zip(fingerprint);
        let secure = secure.map(|(uri, fingerprint)| MessageMedia {
            fingerprints: vec![fingerprint],
            ..media(uri)
        });
        let security = services.config.media_security;
        let (media, alternative) = security.ways(media(board.local_uri(&id)), secure);
        Self {
            services: services.clone(),
            local: LocalMedia {
                // 15 digits of the random id: a number that fits, and is nobody else's
                session_id: u64::from_str_radix(&id[2..17], 16).unwrap_or(1),
                version: 1,
                media,
                alternative,
            },
            id,
        }
    }

    /// The end of a channel behind which `reader` stands: it takes what that one takes.
    pub fn on_behalf_of(services: &Rc<Services>, reader: &MessageMedia) -> Self {
        let mut channel = Self::new(services);
        let local = &mut channel.local;
        for media in std::iter::once(&mut local.media).chain(&mut local.alternative) {
            media.accept_types = reader.accept_types.clone();
            media.accept_wrapped_types = reader.accept_wrapped_types.clone();
            media.max_size = reader.max_size.or(media.max_size);
        }
        channel
    }

    /// The end of a channel at which a chat room stands, or behind which one does: it says what
    /// is known of that, and nothing where nothing is.
    ///
    /// Source: RFC 7701 §8.
    pub fn in_chatroom(mut self, chatroom: Option<Chatroom>) -> Self {
        let local = &mut self.local;
        for media in std::iter::once(&mut local.media).chain(&mut local.alternative) {
            media.chatroom.clone_from(&chatroom);
        }
        self
    }

    /// Answers `offer`; the session's events go to `sink`.
    pub async fn answer(
        &self,
        offer: &SessionDescription,
        sink: Box<dyn Sink>,
    ) -> Result<Agreed, Unfit> {
        let offered = offer.messages().map(|(_, media)| media);
        let names = names(offered.filter(|media| self.local.media.cema && media.cema)).await;
        let answer = sdp::answer(offer, &self.local, &names).map_err(Unfit::Refused)?;
        let role = role(answer.role, &answer.hop).await?;
        let session = self.open(&answer.local, role, sink)?;
        expect(&session, &answer.local, &answer.remote)?;
        if answer.local.cema {
            session.expect_middlebox();
        }
        session.set_remote(&path(&answer.remote)?);
        Ok(Agreed {
            session,
            remote: answer.remote,
            body: answer.body,
        })
    }

    /// Answers another offer within the same call: the same media, a new path if there is one.
    pub fn answer_again(&self, offer: &[u8], session: &SessionHandle) -> Result<Vec<u8>, Unfit> {
        if offer.is_empty() {
            return Ok(sdp::offer(&self.local));
        }
        let answer = sdp::answer(&sdp::parse(offer)?, &self.local, &Names::default())
            .map_err(Unfit::Refused)?;
        session.set_remote(&path(&answer.remote)?);
        Ok(answer.body)
    }

    /// Begins to listen, and describes where.
    pub fn offer(&self) -> Result<(SessionHandle, Vec<u8>), Unfit> {
        let session = self.open(&self.local.media, Role::Passive, Box::new(Nobody))?;
        Ok((session, sdp::offer(&self.local)))
    }

    /// Takes the answer to what was offered; the session's events go to `sink`.
    pub async fn conclude(
        &self,
        session: SessionHandle,
        answer: &[u8],
        sink: Option<Box<dyn Sink>>,
    ) -> Result<Agreed, Unfit> {
        let description = sdp::parse(answer)?;
        let media = description.message_media().map(|(_, media)| media);
        let remote = media.filter(|media| media.port != 0);
        let remote = remote.ok_or(Unfit::Refused(sdp::Refusal::NoMessageMedia))?;
        let media = [remote.clone()].into_iter();
        let names = names(media.filter(|_| self.local.media.cema)).await;
        let agreed = sdp::conclude(&self.local.media, &remote, &names);
        let agreed = agreed.map_err(Unfit::Refused)?;
        if agreed.anchor == Anchor::OfferAgain {
            tracing::debug!("a middlebox stands before a device that does not know of it");
        }
        let session = match role(agreed.role, &agreed.hop).await? {
            Role::Passive => session,
            active => {
                session.close();
                self.open(&self.local.media, active, Box::new(Nobody))?
            }
        };
        if let Err(unfit) = expect(&session, &self.local.media, &remote) {
            session.close();
            return Err(unfit);
        }
        if agreed.cema {
            session.expect_middlebox();
        }
        if let Some(sink) = sink {
            session.set_sink(sink);
        }
        session.set_remote(&path(&remote)?);
        Ok(Agreed {
            session,
            remote,
            body: Vec::new(),
        })
    }

    fn open(
        &self,
        media: &MessageMedia,
        role: Role,
        sink: Box<dyn Sink>,
    ) -> Result<SessionHandle, Unfit> {
        let board = &self.services.switchboard;
        let open = OpenSession {
            local_id: self.id.clone(),
            remote_path: None,
            role,
            accept_types: media.accept_types.clone(),
            max_size: media.max_size,
            sink,
        };
        match media.tls {
            true => board.open_secure(open, Vec::new()).ok_or(Unfit::NoTls),
            false => Ok(board.open(open)),
        }
    }
}

/// Tells the session by which certificate it knows its peer. Relays are known by
/// the names in theirs.
fn expect(
    session: &SessionHandle,
    local: &MessageMedia,
    remote: &MessageMedia,
) -> Result<(), Unfit> {
    if !local.tls || remote.is_relayed() {
        return Ok(());
    }
    let known = sdp::Fingerprint::decisive(&remote.fingerprints);
    let known: Vec<_> = known.iter().map(|known| known.to_string()).collect();
    if known.is_empty() {
        return Err(Unfit::NoFingerprint);
    }
    session.expect_certificates(&known);
    Ok(())
}

fn path(media: &MessageMedia) -> Result<Path, Unfit> {
    Path::parse(&media.path).map_err(|_| Unfit::Path)
}

/// The session's role; where this end connects, the address of `hop`.
async fn role(role: sdp::Role, hop: &Hop) -> Result<Role, Unfit> {
    match role {
        sdp::Role::Listen => Ok(Role::Passive),
        sdp::Role::Connect => {
            let addr = address_of(&hop.host, hop.port).await;
            addr.map(Role::Active).map_err(|_| Unfit::Host)
        }
    }
}

/// Looks up what is needed to tell whether a middlebox has changed these.
async fn names(medias: impl Iterator<Item = MessageMedia>) -> Names {
    let hosts = medias.flat_map(|media| sdp::unknown_names(&media));
    addresses_of(hosts).await.into_iter().collect()
}
