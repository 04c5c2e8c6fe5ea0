//! Which of several refusals goes back (RFC 3261 §16.7 items 6 and 7).
use crate::sip::codec::{Builder, Message, Name};

/// The best refusal so far, and every challenge that came.
#[derive(Clone, Debug, Default)]
pub struct Best {
    refusal: Option<Refusal>,
    /// Challenges of 401 and 407, so that the sender can answer all of them at once.
    challenges: Vec<(Name, String)>,
}

#[derive(Clone, Debug)]
enum Refusal {
    Received(Message),
    /// Nobody said so: a branch was silent (408) or could not be reached (503).
    Ours(u16),
}

impl Refusal {
    fn code(&self) -> u16 {
        match self {
            Self::Received(response) => response.code().unwrap_or(500),
            Self::Ours(code) => *code,
        }
    }

    /// The lower the better: 6xx, then the lowest class; within a class what tells the sender how
    /// to ask again, then what was said, then what we conclude.
    fn rank(&self) -> (u16, u8) {
        let class = match self.code() / 100 {
            6 => 0,
            class => class,
        };
        let within = match (self, self.code()) {
            (_, 401 | 407 | 415 | 420 | 484) => 0,
            (Self::Received(_), _) => 1,
            (Self::Ours(_), _) => 2,
        };
        (class, within)
    }
}

impl Best {
    /// Notes a final response other than 2xx.
    pub fn received(&mut self, response: Message) {
        let asks = match response.code() {
            Some(401) => Some(Name::WwwAuthenticate),
            Some(407) => Some(Name::ProxyAuthenticate),
            _ => None,
        };
        if let Some(name) = asks {
            let challenges = response.values(name);
            let challenges = challenges.map(|value| (name, value.into_owned()));
            self.challenges.extend(challenges);
        }
        self.note(Refusal::Received(response));
    }

    /// Notes that a branch ended without a response: 408 for silence, 503 for a transport that
    /// failed (§16.8, §16.9).
    pub fn concluded(&mut self, code: u16) {
        self.note(Refusal::Ours(code));
    }

    fn note(&mut self, refusal: Refusal) {
        let better = match &self.refusal {
            Some(best) => refusal.rank() < best.rank(),
            None => true,
        };
        if better {
            self.refusal = Some(refusal);
        }
    }

    /// The status of the best refusal.
    pub fn code(&self) -> Option<u16> {
        self.refusal.as_ref().map(Refusal::code)
    }

    /// The response to `request` that goes back, or none.
    ///
    /// 503 is about one neighbour and becomes 500; 408 is never said to a request other than
    /// INVITE, whose sender knows it by itself (RFC 4320 §4.2). `tag` is for what we say
    /// ourselves.
    pub fn response(self, request: &Message, is_invite: bool, tag: &str) -> Option<Message> {
        let ours = |code| Builder::response(request, code).to_tag(tag);
        let code = self.code();
        let chosen = match (self.refusal, code) {
            (None, _) => ours(480),
            (_, Some(408)) if !is_invite => return None,
            (Some(Refusal::Received(response)), Some(code)) if code != 503 => {
                return Some(with_challenges(response, code, &self.challenges));
            }
            (_, Some(503) | None) => ours(500),
            (_, Some(code)) => ours(code),
        };
        Some(chosen.build())
    }
}

/// The challenges of all branches, if this response is one (§16.7 item 7).
fn with_challenges(response: Message, code: u16, challenges: &[(Name, String)]) -> Message {
    if !matches!(code, 401 | 407) || challenges.len() < 2 {
        return response;
    }
    let bare = Builder::from_message(&response)
        .remove(Name::WwwAuthenticate)
        .remove(Name::ProxyAuthenticate);
    let all = challenges.iter();
    all.fold(bare, |builder, (name, value)| builder.header(*name, value))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::codec::Method;

    fn request(method: Method) -> Message {
        Builder::request(method, "sip:bob@example.com")
            .header(Name::To, "<sip:bob@example.com>")
            .build()
    }

    fn chosen(codes: &[u16]) -> Option<u16> {
        let invite = request(Method::Invite);
        let mut best = Best::default();
        for code in codes {
            best.received(Builder::response(&invite, *code).build());
        }
        best.response(&invite, true, "t").and_then(|it| it.code())
    }

    #[test]
    fn global_refusal_goes_before_all_and_the_lowest_class_before_others() {
        assert_eq!(chosen(&[486, 603, 302]), Some(603));
        assert_eq!(chosen(&[503, 486]), Some(486));
        assert_eq!(chosen(&[486, 302]), Some(302));
    }

    #[test]
    fn what_tells_how_to_ask_again_goes_before_the_rest_of_its_class() {
        assert_eq!(chosen(&[480, 407]), Some(407));
        assert_eq!(chosen(&[415, 404]), Some(415));
        // otherwise the first one
        assert_eq!(chosen(&[486, 404]), Some(486));
    }

    #[test]
    fn unavailable_neighbour_is_not_an_unavailable_service() {
        assert_eq!(chosen(&[503]), Some(500));
    }

    #[test]
    fn silence_is_said_to_invite_only() {
        for (method, expected) in [(Method::Invite, Some(408)), (Method::Message, None)] {
            let request = request(method);
            let mut best = Best::default();
            best.concluded(408);
            let is_invite = request.is(&Method::Invite);
            let code = best
                .response(&request, is_invite, "t")
                .and_then(|it| it.code());
            assert_eq!(code, expected);
        }
    }

    #[test]
    fn what_was_said_goes_before_what_is_concluded() {
        let invite = request(Method::Invite);
        let mut best = Best::default();
        best.concluded(408);
        best.received(Builder::response(&invite, 480).build());
        assert_eq!(best.code(), Some(480));
    }

    #[test]
    fn challenges_of_all_branches_go_back_together() {
        let invite = request(Method::Invite);
        let mut best = Best::default();
        for (code, name, realm) in [
            (407, Name::ProxyAuthenticate, "Digest realm=\"a\""),
            (401, Name::WwwAuthenticate, "Digest realm=\"b\""),
        ] {
            best.received(Builder::response(&invite, code).header(name, realm).build());
        }
        let response = best.response(&invite, true, "t").unwrap();
        assert_eq!(response.code(), Some(407));
        assert_eq!(
            response.value(Name::WwwAuthenticate).as_deref(),
            Some("Digest realm=\"b\"")
        );
        assert_eq!(
            response.value(Name::ProxyAuthenticate).as_deref(),
            Some("Digest realm=\"a\"")
        );
    }

    #[test]
    fn nobody_to_try_is_temporarily_unavailable() {
        let invite = request(Method::Invite);
        let response = Best::default().response(&invite, true, "tag9").unwrap();
        assert_eq!(response.code(), Some(480));
        assert_eq!(
            response.value(Name::To).as_deref(),
            Some("<sip:bob@example.com>;tag=tag9")
        );
    }
}
