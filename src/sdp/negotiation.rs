use super::{
    Anchor, MessageMedia, Names, Refusal, SessionDescription, Setup, cema::Sides,
    description::write, media::connection, path::Hop,
};
use sdp_types::{AddrType, Media, NetType, Origin, Session, Time};

/// Which end opens the MSRP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This end connects to the peer's first hop and sends at once.
    Connect,
    /// This end waits for the peer.
    Listen,
}

/// What this end puts into an offer or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// Session id of the `o=` line: constant for the life of the dialog.
    pub session_id: u64,
    /// Version of the `o=` line: one more with every change.
    pub version: u64,
    /// The media line. Its `setup` is the wish: `Active` asks to connect wherever the peer lets
    /// it, anything else to listen.
    pub media: MessageMedia,
    /// The same with TLS, or without it: what is answered with where the peer offers this only.
    pub alternative: Option<MessageMedia>,
}

impl LocalMedia {
    /// The same with the next version, for an offer that changes something.
    pub fn next_version(mut self) -> Self {
        self.version += 1;
        self
    }

    fn session(&self, times: Vec<Time>, medias: Vec<Media>) -> Session {
        let place = connection(&self.media.address);
        let origin = Origin {
            username: None,
            sess_id: self.session_id.to_string(),
            sess_version: self.version,
            nettype: NetType::In,
            addrtype: match place.addrtype {
                AddrType::Ip6 => AddrType::Ip6,
                _ => AddrType::Ip4,
            },
            unicast_address: self.media.address.clone(),
        };
        Session {
            connection: Some(place),
            times,
            medias,
            ..Session::new(origin, "-")
        }
    }
}

/// An answer, ready to be sent, and what it settles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The session description.
    pub body: Vec<u8>,
    /// What this end has to do.
    pub role: Role,
    /// Where it connects, if it does.
    pub hop: Hop,
    /// The offered media that was taken.
    pub remote: MessageMedia,
    /// The media that was answered with. Both sides speak CEMA if it says so.
    pub local: MessageMedia,
}

/// What an answer settles for the end that offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// What this end has to do.
    pub role: Role,
    /// Where it connects, if it does.
    pub hop: Hop,
    /// How that place was found.
    pub anchor: Anchor,
    /// Whether both sides speak CEMA.
    pub cema: bool,
}

/// Writes an offer with one media line. Without a wish for `setup` it says `actpass`.
///
/// Source: RFC 4975 §8.1, RFC 6135 §4.2.2.
pub fn offer(local: &LocalMedia) -> Vec<u8> {
    let mut media = local.media.clone();
    media.setup = media.setup.or(Some(Setup::ActPass));
    write(&local.session(vec![always()], vec![media.write()]))
}

/// What follows from the answer to `offered`.
///
/// A peer that does not answer with `a=setup` is served as in RFC 4975 §8.5: the offerer connects.
/// `names` holds what [`unknown_names`](super::unknown_names) of the answer asks for, if this end
/// offers CEMA.
/// Errors: `Transport` if the answer changed it, `NoPath`.
pub fn conclude(
    offered: &MessageMedia,
    remote: &MessageMedia,
    names: &Names,
) -> Result<Conclusion, Refusal> {
    if remote.tls != offered.tls {
        return Err(Refusal::Transport);
    }
    let first = remote.first_hop().ok_or(Refusal::NoPath)?;
    let role = offerer_role(offered.setup, remote.setup);
    let anchor = Sides::of(offered, remote, names).concludes(role);
    let hop = match anchor {
        Anchor::Lines if !remote.address.is_empty() => remote.lines_hop(),
        _ => first,
    };
    let cema = offered.cema && remote.cema;
    Ok(Conclusion {
        role,
        hop,
        anchor,
        cema,
    })
}

fn offerer_role(offered: Option<Setup>, answered: Option<Setup>) -> Role {
    match (offered, answered) {
        (Some(Setup::Passive), _) => Role::Listen,
        (None | Some(Setup::ActPass), Some(Setup::Active)) => Role::Listen,
        _ => Role::Connect,
    }
}

/// Answers an offer: takes its first usable message media, rejects all other lines with port 0.
///
/// The answer keeps the number and order of the offer's lines and its time. Where the peer leaves
/// the choice (`actpass`), `local.media.setup` decides, unless CEMA does: who uses a relay waits,
/// so that the other one can connect to the lines. `names` is as for [`conclude`].
/// Errors: [`Refusal`], to be sent as 488 with its warning.
/// Source: RFC 3264 §6, RFC 4975 §8, RFC 6135 §4.2.2, RFC 6714 §4.3.
pub fn answer(
    offer: &SessionDescription,
    local: &LocalMedia,
    names: &Names,
) -> Result<Answer, Refusal> {
    let (index, remote, ours) = choose(offer, local)?;
    let first = remote.first_hop().ok_or(Refusal::NoPath)?;
    if !common_type(&remote.accept_types, &ours.accept_types) {
        return Err(Refusal::NoCommonType);
    }
    let mut media = ours.clone();
    let (setup, role) = answerer_setup(remote.setup, wish(&media, &remote));
    media.setup = Some(setup);
    media.cema = Sides::of(&media, &remote, names).answers(role);
    media.direction = media.direction.answer_to(remote.direction);
    let hop = match media.cema && !remote.address.is_empty() {
        true => remote.lines_hop(),
        false => first,
    };
    let lines = offer.session.medias.iter().enumerate();
    let medias = lines
        .map(|(place, line)| match place == index {
            true => media.write(),
            false => rejected(line),
        })
        .collect();
    let times = match offer.session.times.is_empty() {
        true => vec![always()],
        false => offer.session.times.clone(),
    };
    Ok(Answer {
        body: write(&local.session(times, medias)),
        role,
        hop,
        remote,
        local: media,
    })
}

/// The offered line to take, and what to answer it with: with TLS, if both sides have that.
fn choose<'a>(
    offer: &SessionDescription,
    local: &'a LocalMedia,
) -> Result<(usize, MessageMedia, &'a MessageMedia), Refusal> {
    let usable = offer.messages().filter(|(_, media)| media.port != 0);
    let usable: Vec<_> = usable.collect();
    let ways = [Some(&local.media), local.alternative.as_ref()];
    let mut ways: Vec<_> = ways.into_iter().flatten().collect();
    ways.sort_by_key(|ours| !ours.tls);
    let taken = ways.into_iter().find_map(|ours| {
        let line = usable.iter().find(|(_, media)| media.tls == ours.tls);
        line.map(|(index, media)| (*index, media.clone(), ours))
    });
    taken.ok_or(match usable.is_empty() {
        true => Refusal::NoMessageMedia,
        false => Refusal::Transport,
    })
}

/// What this end would like `a=setup` to be.
fn wish(ours: &MessageMedia, remote: &MessageMedia) -> Option<Setup> {
    if ours.is_relayed() {
        return Some(Setup::Passive);
    }
    match ours.cema && remote.cema && remote.is_relayed() {
        true => Some(Setup::Active),
        false => ours.setup,
    }
}

fn answerer_setup(offered: Option<Setup>, wish: Option<Setup>) -> (Setup, Role) {
    match (offered, wish) {
        (Some(Setup::Passive), _) => (Setup::Active, Role::Connect),
        (Some(Setup::ActPass), Some(Setup::Active)) => (Setup::Active, Role::Connect),
        _ => (Setup::Passive, Role::Listen),
    }
}

/// Whether a type of one list may be sent to the holder of the other.
///
/// Source: RFC 4975 §8.6 (wildcards; parameters do not matter).
fn common_type(offered: &[String], ours: &[String]) -> bool {
    let overlap = |one: &str, other: &str| {
        let (one, other) = (essence(one), essence(other));
        let kind = |text: &str| {
            text.split('/')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        one == "*"
            || other == "*"
            || one.eq_ignore_ascii_case(other)
            || ((one.ends_with("/*") || other.ends_with("/*")) && kind(one) == kind(other))
    };
    offered
        .iter()
        .any(|one| ours.iter().any(|other| overlap(one, other)))
}

fn essence(entry: &str) -> &str {
    entry.split(';').next().unwrap_or_default()
}

fn rejected(offered: &Media) -> Media {
    Media {
        port: 0,
        num_ports: None,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
        ..offered.clone()
    }
}

fn always() -> Time {
    Time {
        start_time: 0,
        stop_time: 0,
        repeats: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{Direction, parse};
    use proptest::prelude::*;

    const FIGURE_9: &str = "v=0\r\n\
        o=usera 2890844526 2890844527 IN IP4 alice.example.com\r\n\
        s= -\r\n\
        c=IN IP4 alice.example.com\r\n\
        t=0 0\r\n\
        m=message 7394 TCP/MSRP *\r\n\
        a=accept-types:message/cpim text/plain text/html\r\n\
        a=path:msrp://alice.example.com:7394/2s93i93idj;tcp\r\n";

    fn local() -> LocalMedia {
        LocalMedia {
            session_id: 2890844530,
            version: 1,
            alternative: None,
            media: MessageMedia {
                address: "127.0.0.1".into(),
                port: 8493,
                path: "msrp://127.0.0.1:8493/si438dsaodes;tcp".into(),
                accept_types: vec!["message/cpim".into(), "text/plain".into()],
                ..MessageMedia::default()
            },
        }
    }

    fn answered(offer: &SessionDescription, local: &LocalMedia) -> Result<Answer, Refusal> {
        answer(offer, local, &Names::default())
    }

    fn wishing(setup: Setup) -> LocalMedia {
        let mut local = local();
        local.media.setup = Some(setup);
        local
    }

    fn with_setup(setup: &str) -> SessionDescription {
        parse(format!("{FIGURE_9}a=setup:{setup}\r\n").as_bytes()).unwrap()
    }

    #[test]
    fn rfc4975_figure_9_is_read() {
        let (index, media) = parse(FIGURE_9.as_bytes()).unwrap().message_media().unwrap();
        assert_eq!((index, media.port, media.tls), (0, 7394, false));
        assert_eq!(media.address, "alice.example.com");
        assert_eq!(
            media.accept_types,
            ["message/cpim", "text/plain", "text/html"]
        );
        assert_eq!(media.path, "msrp://alice.example.com:7394/2s93i93idj;tcp");
        assert_eq!((media.setup, media.max_size), (None, None));
        assert_eq!(media.first_hop().unwrap().port, 7394);
    }

    #[test]
    fn offer_without_setup_is_answered_passive_since_the_offerer_connects() {
        let offer = parse(FIGURE_9.as_bytes()).unwrap();
        let answer = answered(&offer, &wishing(Setup::Active)).unwrap();
        assert_eq!(answer.role, Role::Listen);
        assert_eq!(answer.local.setup, Some(Setup::Passive));
        let (_, read) = parse(&answer.body).unwrap().message_media().unwrap();
        assert_eq!(read, answer.local);
    }

    #[test]
    fn setup_table_of_rfc6135_is_held() {
        use Setup::*;
        for (offered, wish, answered, role) in [
            ("actpass", Active, Active, Role::Connect),
            ("actpass", ActPass, Passive, Role::Listen),
            ("actpass", Passive, Passive, Role::Listen),
            ("active", Active, Passive, Role::Listen),
            ("passive", Passive, Active, Role::Connect),
            ("holdconn", Active, Passive, Role::Listen),
        ] {
            let found = answer(&with_setup(offered), &wishing(wish), &Names::default()).unwrap();
            assert_eq!(
                (found.local.setup, found.role),
                (Some(answered), role),
                "{offered}"
            );
            let offered = Setup::parse_for_tests(offered);
            let other_end = offerer_role(offered, found.local.setup);
            assert_ne!(other_end, role, "exactly one end connects: {offered:?}");
        }
    }

    impl Setup {
        fn parse_for_tests(text: &str) -> Option<Self> {
            with_setup(text)
                .message_media()
                .and_then(|(_, media)| media.setup)
        }
    }

    #[test]
    fn answer_without_setup_makes_the_offerer_connect() {
        for offered in [None, Some(Setup::ActPass), Some(Setup::Active)] {
            assert_eq!(offerer_role(offered, None), Role::Connect);
        }
    }

    #[test]
    fn other_media_lines_are_rejected_in_their_order() {
        let (head, message) = FIGURE_9.split_at(FIGURE_9.find("m=").unwrap());
        let offered = format!(
            "{head}m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n{message}m=message 7395 TCP/MSRP *\r\n"
        );
        let answer = answered(&parse(offered.as_bytes()).unwrap(), &local()).unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            lines,
            [
                "m=audio 0 RTP/AVP 0 8",
                "m=message 8493 TCP/MSRP *",
                "m=message 0 TCP/MSRP *"
            ]
        );
    }

    #[test]
    fn unanswerable_offers_are_refused_by_name() {
        let refused = |from: &str, to: &str| {
            let offer = parse(FIGURE_9.replace(from, to).as_bytes()).unwrap();
            answered(&offer, &local()).unwrap_err()
        };
        assert_eq!(
            refused("m=message 7394", "m=message 0"),
            Refusal::NoMessageMedia
        );
        assert_eq!(refused("m=message", "m=audio"), Refusal::NoMessageMedia);
        assert_eq!(refused("TCP/MSRP", "TCP/TLS/MSRP"), Refusal::Transport);
        assert_eq!(refused("a=path", "a=way"), Refusal::NoPath);
        assert_eq!(refused(":7394/", "/"), Refusal::NoPath);
        assert_eq!(
            refused("message/cpim text/plain text/html", "image/png"),
            Refusal::NoCommonType
        );
        assert_eq!(
            Refusal::NoCommonType.warning("h"),
            "305 h \"no common message type\""
        );
    }

    #[test]
    fn wildcards_and_parameters_count_as_common_types() {
        for offered in ["*", "text/*", "TEXT/plain;charset=utf-8"] {
            let text = FIGURE_9.replace("message/cpim text/plain text/html", offered);
            assert!(
                answered(&parse(text.as_bytes()).unwrap(), &local()).is_ok(),
                "{offered}"
            );
        }
    }

    fn encrypted(mut media: MessageMedia) -> MessageMedia {
        media.tls = true;
        media.path = media.path.replace("msrp:", "msrps:");
        let digits = vec!["4A"; 32].join(":");
        media.fingerprints = vec![format!("SHA-256 {digits}").parse().unwrap()];
        media
    }

    #[test]
    fn offer_with_and_without_tls_is_answered_with_it() {
        let plain = local().media;
        let both = |first: &MessageMedia, second: &MessageMedia| LocalMedia {
            media: first.clone(),
            alternative: Some(second.clone()),
            ..local()
        };
        let secure = encrypted(plain.clone());
        let secured = FIGURE_9
            .replace("TCP/MSRP", "TCP/TLS/MSRP")
            .replace("msrp:", "msrps:");
        let lines = &FIGURE_9[FIGURE_9.find("m=").unwrap()..];
        let either = format!("{secured}{lines}");
        for (offered, ours, tls) in [
            (&either, both(&secure, &plain), true),
            (&either, both(&plain, &secure), true),
            (&secured, both(&plain, &secure), true),
            (&FIGURE_9.to_owned(), both(&secure, &plain), false),
        ] {
            let answer = answered(&parse(offered.as_bytes()).unwrap(), &ours).unwrap();
            assert_eq!((answer.local.tls, answer.remote.tls), (tls, tls));
            assert_eq!(answer.local.fingerprints.is_empty(), !tls);
        }
    }

    /// An offer whose `c=` and `m=` lines a middlebox has changed.
    fn behind_a_middlebox(attributes: &str) -> SessionDescription {
        let text = FIGURE_9
            .replace("c=IN IP4 alice.example.com", "c=IN IP6 2001:db8::5")
            .replace("m=message 7394", "m=message 5000");
        parse(format!("{text}{attributes}").as_bytes()).unwrap()
    }

    #[test]
    fn answerer_with_cema_connects_to_the_lines_only_where_it_knows_who_is_there() {
        let mut ours = local();
        ours.media.cema = true;
        let plain = behind_a_middlebox("a=setup:passive\r\na=msrp-cema\r\n");
        let answer = answered(&plain, &ours).unwrap();
        assert_eq!((answer.role, answer.local.cema), (Role::Connect, false));
        assert_eq!(answer.hop.host, "alice.example.com");

        ours.media = encrypted(ours.media);
        let fingerprint = &ours.media.fingerprints[0];
        let secured = plain.to_bytes();
        let secured = String::from_utf8(secured)
            .unwrap()
            .replace("TCP/MSRP", "TCP/TLS/MSRP");
        let secured = format!("{secured}a=fingerprint:{fingerprint}\r\n");
        let answer = answered(&parse(secured.as_bytes()).unwrap(), &ours).unwrap();
        assert!(answer.local.cema);
        assert_eq!(
            (answer.hop.host.as_str(), answer.hop.port),
            ("2001:db8::5", 5000)
        );
        assert!(answer.hop.tls);
    }

    #[test]
    fn relayed_sides_say_who_connects_so_that_cema_stays_possible() {
        let relayed = "a=path:msrp://alice.example.com:7394/r;tcp msrp://a.invalid:9/2s93;tcp\r\n";
        let path = "a=path:msrp://alice.example.com:7394/2s93i93idj;tcp\r\n";
        let offer = FIGURE_9.replace(path, relayed) + "a=setup:actpass\r\na=msrp-cema\r\n";
        let mut ours = wishing(Setup::Passive);
        ours.media.cema = true;
        let answer = answered(&parse(offer.as_bytes()).unwrap(), &ours).unwrap();
        assert_eq!((answer.role, answer.local.cema), (Role::Connect, true));

        let offer = FIGURE_9.to_owned() + "a=setup:actpass\r\na=msrp-cema\r\n";
        let mut ours = wishing(Setup::Active);
        ours.media.cema = true;
        ours.media.path = "msrp://r.example.com:9/r;tcp msrp://127.0.0.1:8493/si;tcp".into();
        let answer = answered(&parse(offer.as_bytes()).unwrap(), &ours).unwrap();
        assert_eq!((answer.role, answer.local.cema), (Role::Listen, true));
    }

    #[test]
    fn answer_is_concluded_with_role_and_place() {
        let mut offered = local().media;
        offered.cema = true;
        let answer = |offer: &SessionDescription| offer.message_media().unwrap().1;
        let direct = answer(&parse(FIGURE_9.as_bytes()).unwrap());
        let found = conclude(&offered, &direct, &Names::default()).unwrap();
        assert_eq!((found.role, found.hop.port), (Role::Connect, 7394));
        let active = answer(&behind_a_middlebox("a=setup:active\r\n"));
        let found = conclude(&offered, &active, &Names::default()).unwrap();
        assert_eq!(
            (found.role, found.anchor),
            (Role::Listen, Anchor::OfferAgain)
        );
        assert!(!found.cema);
        let changed = encrypted(direct);
        let refused = conclude(&offered, &changed, &Names::default());
        assert_eq!(refused, Err(Refusal::Transport));
    }

    #[test]
    fn direction_is_answered_from_the_other_side() {
        let offer = parse(format!("{FIGURE_9}a=sendonly\r\n").as_bytes()).unwrap();
        let answer = answered(&offer, &local()).unwrap();
        assert_eq!(answer.remote.direction, Direction::SendOnly);
        assert_eq!(answer.local.direction, Direction::RecvOnly);
    }

    #[test]
    fn other_attributes_are_kept_through_offer_and_parse() {
        let mut local = local();
        local.media.accept_wrapped_types = vec!["*".into()];
        local.media.max_size = Some(104857600);
        local.media.setup = Some(Setup::ActPass);
        local.media.cema = true;
        local.media.tls = true;
        local.media.direction = Direction::SendOnly;
        local.media.fingerprints = ["SHA-1", "SHA-256"]
            .iter()
            .zip([20, 32])
            .map(|(name, length)| format!("{name} {}", vec!["4A"; length].join(":")))
            .map(|text| text.parse().unwrap())
            .collect();
        local.media.title = Some("holiday".into());
        local.media.address = "2001:db8::1".into();
        let selector = "name:\"a b.jpg\" type:image/jpeg size:4092 hash:sha-1:72:24";
        local.media.attributes = vec![
            ("file-selector".into(), Some(selector.into())),
            (
                "file-transfer-id".into(),
                Some("Q6LMoGymJdh0IKIgD6wD0jkcfgva4xvE".into()),
            ),
            ("file-icon".into(), None),
        ];
        let body = offer(&local);
        let read = parse(&body).unwrap();
        assert_eq!(read.message_media().unwrap(), (0, local.media.clone()));
        assert_eq!(read.version(), ("2890844530", 1));
        assert_eq!(read.to_bytes(), body);
        let again = parse(&offer(&local.next_version())).unwrap();
        assert_eq!(again.version().1, 2);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&octets);
        }

        #[test]
        fn near_garbage_never_panics(line in "[a-z]=[ -~]{0,40}", at in 0usize..8) {
            let mut lines: Vec<&str> = FIGURE_9.lines().collect();
            lines.insert(at, &line);
            if let Ok(read) = parse(lines.join("\r\n").as_bytes()) {
                let _ = answered(&read, &local());
            }
        }

        #[test]
        fn every_prefix_is_answered_or_refused(at in 0usize..FIGURE_9.len()) {
            if let Ok(read) = parse(&FIGURE_9.as_bytes()[..at]) {
                let _ = answered(&read, &local());
            }
        }
    }
}
