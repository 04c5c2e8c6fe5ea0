use super::MessageMedia;
use serde::{Deserialize, Serialize};

/// How much TLS media is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// None: TLS is neither offered nor answered with.
    None,
    /// Where the peer offers it. What is offered has none, since peers without TLS would refuse.
    #[default]
    Optional,
    /// Always: media without it is neither offered nor answered with.
    Required,
}

impl Security {
    /// The media to offer, and the one to answer with where the peer offers that only. `secure`
    /// is what this end has with TLS, if it can.
    pub fn ways(
        self,
        plain: MessageMedia,
        secure: Option<MessageMedia>,
    ) -> (MessageMedia, Option<MessageMedia>) {
        match self {
            Self::None => (plain, None),
            Self::Optional => (plain, secure),
            // without a certificate nothing can be agreed on
            Self::Required => (
                secure.unwrap_or(MessageMedia {
                    tls: true,
                    port: 0,
                    ..plain
                }),
                None,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_as_secure_as_wanted() {
        let plain = MessageMedia {
            port: 1,
            ..MessageMedia::default()
        };
        let secure = MessageMedia {
            port: 2,
            tls: true,
            ..plain.clone()
        };
        for (security, has_tls, offered, alternative) in [
            (Security::None, true, (false, 1), None),
            (Security::Optional, true, (false, 1), Some(2)),
            (Security::Optional, false, (false, 1), None),
            (Security::Required, true, (true, 2), None),
            (Security::Required, false, (true, 0), None),
        ] {
            let tls = has_tls.then(|| secure.clone());
            let (first, second) = security.ways(plain.clone(), tls);
            let found = (first.tls, first.port);
            let other = second.map(|media| media.port);
            assert_eq!(
                (found, other),
                (offered, alternative),
                "{security:?} {has_tls}"
            );
        }
    }
}
