//! Whether a request may go on (RFC 3261 §16.3, RFC 5393 §4.2 and §5.3).
use crate::sip::codec::{Message, Method, Name};
use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};

/// What of a request decides where it goes, as one number that others cannot foretell.
///
/// It stands at the end of the branch of what is forwarded: a request that comes with a mark of
/// its own has come round unchanged. One that was changed on its way is a spiral, and welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopMark(u64);

impl LoopMark {
    /// The mark of `request` as it was received. `key` is this element's own.
    pub fn of(request: &Message, key: &impl BuildHasher) -> Self {
        let mut hasher = key.build_hasher();
        request.uri_text().hash(&mut hasher);
        // who it comes from in earnest decides as well: through an outer core, for one
        let deciding = [
            Name::Route,
            Name::From,
            Name::To,
            Name::CallId,
            Name::PAssertedIdentity,
        ];
        for name in deciding {
            for value in request.values(name) {
                value.hash(&mut hasher);
            }
            hasher.write_u8(0xff);
        }
        request
            .cseq()
            .map_or(0, |cseq| cseq.number)
            .hash(&mut hasher);
        Self(hasher.finish())
    }

    fn is_in(self, request: &Message) -> bool {
        let mark = self.to_string();
        let mut vias = request.values(Name::Via);
        vias.any(|via| via.contains(&mark))
    }
}

/// As it stands in a branch.
impl fmt::Display for LoopMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{:016x}", self.0)
    }
}

/// Why a request does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hindrance {
    /// Max-Forwards is used up.
    #[error("too many hops")]
    Hops,
    /// It was here before, and nothing has changed.
    #[error("loop")]
    Loop,
    /// It may not be forked, not even into one branch (RFC 5393 §5.3.3).
    #[error("Max-Breadth exceeded")]
    Breadth,
    /// It asks of proxies what we cannot do.
    #[error("Proxy-Require: {}", .0.join(", "))]
    Extension(Vec<String>),
}

impl Hindrance {
    /// The status it is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Hops => 483,
            Self::Loop => 482,
            Self::Breadth => 440,
            Self::Extension(_) => 420,
        }
    }

    /// Label value for metrics: one short word per variant.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hops => "max_forwards",
            Self::Loop => "loop",
            Self::Breadth => "max_breadth",
            Self::Extension(_) => "extension",
        }
    }
}

/// Checks a request before it is forwarded.
///
/// Errors: the first [`Hindrance`], with the status to answer. Require is for the far end and not
/// looked at; Proxy-Require in ACK is ignored, since that cannot be answered.
pub fn check(request: &Message, mark: LoopMark) -> Result<(), Hindrance> {
    if request.max_forwards() == Some(0) {
        return Err(Hindrance::Hops);
    }
    if mark.is_in(request) {
        return Err(Hindrance::Loop);
    }
    if request.value(Name::MaxBreadth).as_deref() == Some("0") {
        return Err(Hindrance::Breadth);
    }
    if !request.is(&Method::Ack) && request.has(Name::ProxyRequire) {
        let wanted = request.list(Name::ProxyRequire).into_iter();
        return Err(Hindrance::Extension(
            wanted.map(|option| option.into_owned()).collect(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::Builder;
    use std::hash::RandomState;

    fn invite(uri: &str, more: &[(Name, &str)]) -> Message {
        let request = Builder::request(Method::Invite, uri)
            .header(Name::From, "<sip:alice@example.com>;tag=1")
            .header(Name::To, "<sip:bob@example.com>")
            .header(Name::CallId, "c1")
            .header(Name::CSeq, "1 INVITE");
        let request = more.iter().fold(request, |request, (name, value)| {
            request.header(*name, value)
        });
        request.build()
    }

    #[test]
    fn unhindered_request_goes_on() {
        let key = RandomState::new();
        let request = invite("sip:bob@example.com", &[(Name::MaxForwards, "1")]);
        assert_eq!(check(&request, LoopMark::of(&request, &key)), Ok(()));
    }

    #[test]
    fn hindrances_are_answered_with_the_standards_status() {
        let key = RandomState::new();
        let refused = |name, value| {
            let request = invite("sip:bob@example.com", &[(name, value)]);
            check(&request, LoopMark::of(&request, &key)).map_err(|it| it.status())
        };
        assert_eq!(refused(Name::MaxForwards, "0"), Err(483));
        assert_eq!(refused(Name::MaxBreadth, "0"), Err(440));
        assert_eq!(refused(Name::ProxyRequire, "foo"), Err(420));
        assert_eq!(refused(Name::Require, "100rel"), Ok(()));
    }

    #[test]
    fn request_that_comes_round_unchanged_is_a_loop_and_a_changed_one_a_spiral() {
        let key = RandomState::new();
        let first = invite("sip:bob@example.com", &[]);
        let via = format!(
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK17{}",
            LoopMark::of(&first, &key)
        );
        let judged = |uri: &str, more: &[(Name, &str)]| {
            let mut all = vec![
                (Name::Via, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKother"),
                (Name::Via, via.as_str()),
            ];
            all.extend(more);
            let request = invite(uri, &all);
            check(&request, LoopMark::of(&request, &key))
        };
        assert_eq!(judged("sip:bob@example.com", &[]), Err(Hindrance::Loop));
        assert_eq!(judged("sip:bob@192.0.2.4", &[]), Ok(()));
        let asserted = (Name::PAssertedIdentity, "<sip:alice@example.com>");
        assert_eq!(judged("sip:bob@example.com", &[asserted]), Ok(()));
    }

    #[test]
    fn method_does_not_change_the_mark() {
        let key = RandomState::new();
        let invite = invite("sip:bob@example.com", &[]);
        let cancel = Builder::request(Method::Cancel, "sip:bob@example.com")
            .copy(&invite, Name::From)
            .copy(&invite, Name::To)
            .copy(&invite, Name::CallId)
            .header(Name::CSeq, "1 CANCEL")
            .build();
        assert_eq!(LoopMark::of(&invite, &key), LoopMark::of(&cancel, &key));
    }
}
