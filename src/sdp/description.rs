use super::{SdpError, media::MessageMedia};
use sdp_types::Session;

/// A session description as it was read. Lines it does not understand are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    pub(super) session: Session,
}

impl SessionDescription {
    /// Longest description taken, in octets.
    pub const LIMIT: usize = 64 * 1024;

    /// Reads a session description.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > Self::LIMIT {
            return Err(SdpError::TooLong { limit: Self::LIMIT });
        }
        let session = Session::parse(body).map_err(|error| SdpError::Syntax(error.to_string()))?;
        Ok(Self { session })
    }

    /// The first usable `m=message` line over MSRP, with its place among the media lines.
    pub fn message_media(&self) -> Option<(usize, MessageMedia)> {
        self.messages().find(|(_, media)| media.port != 0)
    }

    /// Every `m=message` line over MSRP, rejected ones (port 0) included.
    pub fn messages(&self) -> impl Iterator<Item = (usize, MessageMedia)> + '_ {
        let numbered = self.session.medias.iter().enumerate();
        numbered
            .filter_map(|(index, media)| Some((index, MessageMedia::read(media, &self.session)?)))
    }

    /// How many media lines there are.
    pub fn media_count(&self) -> usize {
        self.session.medias.len()
    }

    /// Session id and version of the `o=` line. An offer with the same version changes nothing.
    pub fn version(&self) -> (&str, u64) {
        let origin = &self.session.origin;
        (&origin.sess_id, origin.sess_version)
    }

    /// The description as text.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(&self.session)
    }
}

pub(super) fn write(session: &Session) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    // a Vec never refuses a write
    let _ = session.write(&mut out);
    out
}
