use super::session_expires::{Refresher, SessionExpires, min_se};
use crate::sip::codec::{Builder, Message, Method, Name};
use std::time::{Duration, Instant};

/// What this end wants of session timers. Units: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// The interval we ask for; `None` if we ask for no timer, only answer to one.
    pub wanted: Option<u32>,
    /// The shortest interval we accept.
    pub least: u32,
}

/// The session timer of one dialog: what was agreed, when to refresh, when to give up (RFC 4028).
///
/// Fed with every INVITE and UPDATE of the dialog and with the responses to them. One end that
/// knows the extension is enough: it refreshes what the other one does not.
#[derive(Clone, Debug)]
pub struct SessionTimer {
    policy: SessionPolicy,
    /// The largest Min-SE of a 422 or of a request from the other end.
    floor: Option<u32>,
    /// What our request under way asks for.
    asked: Option<u32>,
    /// The other end takes UPDATE.
    takes_update: bool,
    agreed: Option<Agreed>,
}

#[derive(Clone, Copy, Debug)]
struct Agreed {
    interval: u32,
    is_ours: bool,
    refresh: Option<Instant>,
    lapse: Instant,
}

/// The interval a request asks for is shorter than we accept: 422 with this Min-SE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session interval is below {least} s")]
pub struct TooSmall {
    /// What we accept at least, in seconds.
    pub least: u32,
}

/// What is due for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionDue {
    /// Refresh it: half of its interval is over (§7.2).
    Refresh,
    /// End it with BYE: nobody refreshed it (§10).
    Lapse,
}

/// How long before its expiration a session without refresh is ended, at most (§10).
const EARLY: Duration = Duration::from_secs(32);
/// The option tag.
const TIMER: &str = "timer";

impl SessionTimer {
    /// No session yet.
    pub fn new(policy: SessionPolicy) -> Self {
        Self {
            policy,
            floor: None,
            asked: None,
            takes_update: false,
            agreed: None,
        }
    }

    /// Adds to an INVITE or UPDATE of ours what it says of session timers (§7.1, §7.4).
    pub fn ask(&mut self, request: Builder) -> Builder {
        let value = match &self.agreed {
            Some(agreed) => Some(SessionExpires {
                seconds: agreed.interval.max(self.floor.unwrap_or_default()),
                refresher: Some(match agreed.is_ours {
                    true => Refresher::Uac,
                    false => Refresher::Uas,
                }),
            }),
            None => self.policy.wanted.map(|wanted| SessionExpires {
                seconds: wanted.max(self.floor.unwrap_or_default()),
                refresher: None,
            }),
        };
        self.asked = value.map(|value| value.seconds);
        let request = match value {
            Some(value) => request.value(Name::SessionExpires, value),
            None => request,
        };
        match self.floor {
            Some(floor) => request.value(Name::MinSe, floor),
            None => request,
        }
    }

    /// A 422 came for a request of ours (§7.3). False if asking again would not help.
    pub fn handle_too_small(&mut self, response: &Message) -> bool {
        let Some(least) = min_se(response) else {
            return false;
        };
        let grew = self.asked.is_some_and(|asked| asked < least);
        self.raise(least);
        grew
    }

    /// A 2xx came for an INVITE or UPDATE of ours (§7.2).
    pub fn handle_success(&mut self, response: &Message, now: Instant) {
        self.learn(response);
        let asked = self.asked.take();
        let said = SessionExpires::of(response);
        self.agreed = match (said, asked) {
            (Some(said), _) => {
                let is_ours = said.refresher != Some(Refresher::Uas);
                Some(self.agree(said.seconds, is_ours, now))
            }
            // the other end knows no timers: this one refreshes for its own benefit
            (None, Some(asked)) => Some(self.agree(asked, true, now)),
            (None, None) => None,
        };
    }

    /// An INVITE or UPDATE of the other end arrived (§9).
    ///
    /// Errors: its interval is shorter than we accept.
    pub fn judge(&mut self, request: &Message) -> Result<(), TooSmall> {
        self.learn(request);
        let least = self.policy.least;
        let asked = SessionExpires::of(request);
        if supports(request) && asked.is_some_and(|asked| asked.seconds < least) {
            return Err(TooSmall { least });
        }
        if let Some(min_se) = min_se(request) {
            self.raise(min_se);
        }
        Ok(())
    }

    /// Adds to our 2xx to `request` what it says of session timers (§9).
    pub fn accept(&mut self, request: &Message, response: Builder, now: Instant) -> Builder {
        let Some(value) = self.answer_to(request) else {
            self.agreed = None;
            return response;
        };
        let is_ours = value.refresher == Some(Refresher::Uas);
        self.agreed = Some(self.agree(value.seconds, is_ours, now));
        let response = response.value(Name::SessionExpires, value);
        match supports(request) {
            true => response.header(Name::Require, TIMER),
            false => response,
        }
    }

    fn answer_to(&self, request: &Message) -> Option<SessionExpires> {
        let asked = SessionExpires::of(request);
        let floor = min_se(request).unwrap_or_default().max(self.policy.least);
        let wanted = self.policy.wanted.map(|wanted| wanted.max(floor));
        let seconds = match (&asked, wanted) {
            (Some(asked), Some(wanted)) => asked.seconds.min(wanted),
            (Some(asked), None) => asked.seconds,
            (None, wanted) => wanted?,
        };
        // table 2; where both can, who called refreshes
        let refresher = match supports(request) {
            false => Refresher::Uas,
            true => asked
                .and_then(|asked| asked.refresher)
                .unwrap_or(Refresher::Uac),
        };
        Some(SessionExpires {
            seconds,
            refresher: Some(refresher),
        })
    }

    /// How a refresh is asked for: by UPDATE where the other end takes it (§7.4).
    pub fn method(&self) -> Method {
        match self.takes_update {
            true => Method::Update,
            false => Method::Invite,
        }
    }

    /// Whether our refreshes repeat the session description that stands.
    pub fn repeats_the_offer(&self) -> bool {
        let is_ours = self.agreed.is_some_and(|agreed| agreed.is_ours);
        is_ours && !self.takes_update
    }

    /// The other end refused UPDATE.
    pub fn forget_update(&mut self) {
        self.takes_update = false;
    }

    /// Tries the refresh again at `at`; a session that lapses before is ended all the same.
    pub fn refresh_at(&mut self, at: Instant) {
        if let Some(agreed) = &mut self.agreed {
            agreed.refresh = Some(at);
        }
    }

    /// What is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<SessionDue> {
        let agreed = self.agreed.as_mut()?;
        if agreed.lapse <= now {
            self.agreed = None;
            return Some(SessionDue::Lapse);
        }
        let is_due = agreed.refresh.is_some_and(|refresh| refresh <= now);
        is_due.then(|| {
            agreed.refresh = None;
            SessionDue::Refresh
        })
    }

    /// When `handle_timeout` has something to do next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let agreed = self.agreed.as_ref()?;
        Some(
            agreed
                .refresh
                .map_or(agreed.lapse, |at| at.min(agreed.lapse)),
        )
    }

    /// An interval below what anyone may ask for counts as the least: nobody makes us refresh
    /// more often than that (§11).
    fn agree(&self, seconds: u32, is_ours: bool, now: Instant) -> Agreed {
        let seconds = seconds.max(self.policy.least.min(LEAST));
        let interval = Duration::from_secs(seconds.into());
        Agreed {
            interval: seconds,
            is_ours,
            refresh: is_ours.then(|| now + interval / 2),
            lapse: now + interval - EARLY.min(interval / 3),
        }
    }

    fn learn(&mut self, message: &Message) {
        if message.has(Name::Allow) {
            let allowed = message.list(Name::Allow);
            self.takes_update = allowed.iter().any(|method| method == "UPDATE");
        }
    }

    fn raise(&mut self, least: u32) {
        self.floor = Some(self.floor.unwrap_or_default().max(least));
    }
}

/// Nobody may ask for less, in seconds (§4).
const LEAST: u32 = 90;

/// Whether the other end knows session timers.
fn supports(message: &Message) -> bool {
    let options = message.list(Name::Supported);
    options
        .iter()
        .any(|option| option.eq_ignore_ascii_case(TIMER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SessionPolicy = SessionPolicy {
        wanted: Some(1_800),
        least: 90,
    };
    const SILENT: SessionPolicy = SessionPolicy {
        wanted: None,
        least: 90,
    };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// An INVITE of the other end with these headers.
    fn request(headers: &[(Name, &str)]) -> Message {
        let builder = Builder::request(Method::Invite, "sip:us@192.0.2.1");
        let headers = headers.iter();
        headers
            .fold(builder, |builder, (name, value)| {
                builder.header(*name, value)
            })
            .build()
    }

    fn response(code: u16, headers: &[(Name, &str)]) -> Message {
        let builder = Builder::response(&request(&[]), code);
        let headers = headers.iter();
        headers
            .fold(builder, |builder, (name, value)| {
                builder.header(*name, value)
            })
            .build()
    }

    /// What our next INVITE says: Session-Expires and Min-SE.
    fn asks(timer: &mut SessionTimer) -> (Option<String>, Option<String>) {
        let invite = timer
            .ask(Builder::request(Method::Invite, "sip:b@c"))
            .build();
        let text = |name| invite.value(name).map(|value| value.into_owned());
        (text(Name::SessionExpires), text(Name::MinSe))
    }

    /// What our 200 to `request` says: Session-Expires and Require.
    fn accepts(policy: SessionPolicy, headers: &[(Name, &str)]) -> (Option<String>, bool) {
        let mut timer = SessionTimer::new(policy);
        let request = request(headers);
        timer.judge(&request).unwrap();
        let ok = timer.accept(&request, Builder::response(&request, 200), Instant::now());
        let ok = ok.build();
        let expires = ok.value(Name::SessionExpires).map(|text| text.into_owned());
        (expires, ok.has(Name::Require))
    }

    const SUPPORTED: (Name, &str) = (Name::Supported, "timer");

    #[test]
    fn refresher_of_our_answer_is_that_of_table_2() {
        let rows = [
            (
                &[(Name::SessionExpires, "900")][..],
                "900;refresher=uas",
                false,
            ),
            (
                &[SUPPORTED, (Name::SessionExpires, "900")],
                "900;refresher=uac",
                true,
            ),
            (
                &[SUPPORTED, (Name::SessionExpires, "900;refresher=uac")],
                "900;refresher=uac",
                true,
            ),
            (
                &[SUPPORTED, (Name::SessionExpires, "900;refresher=uas")],
                "900;refresher=uas",
                true,
            ),
            (&[SUPPORTED], "1800;refresher=uac", true),
            (&[], "1800;refresher=uas", false),
        ];
        for (headers, expires, requires) in rows {
            let expected = (Some(expires.to_owned()), requires);
            assert_eq!(accepts(POLICY, headers), expected, "{headers:?}");
        }
        assert_eq!(accepts(SILENT, &[SUPPORTED]), (None, false));
    }

    #[test]
    fn our_answer_never_raises_the_interval_nor_goes_below_what_the_way_wants() {
        let expires = |headers: &[(Name, &str)]| accepts(POLICY, headers).0.unwrap();
        let long = [SUPPORTED, (Name::SessionExpires, "7200")];
        assert_eq!(expires(&long), "1800;refresher=uac");
        let bounded = [
            SUPPORTED,
            (Name::SessionExpires, "7200"),
            (Name::MinSe, "3600"),
        ];
        assert_eq!(expires(&bounded), "3600;refresher=uac");
        assert_eq!(
            expires(&[SUPPORTED, (Name::MinSe, "2000")]),
            "2000;refresher=uac"
        );
    }

    #[test]
    fn interval_below_ours_is_refused_where_the_caller_would_understand() {
        let policy = SessionPolicy {
            least: 300,
            ..POLICY
        };
        let short = (Name::SessionExpires, "299");
        let mut timer = SessionTimer::new(policy);
        let refused = timer.judge(&request(&[SUPPORTED, short]));
        assert_eq!(refused, Err(TooSmall { least: 300 }));
        assert_eq!(timer.judge(&request(&[short])), Ok(()));
        let enough = (Name::SessionExpires, "300");
        assert_eq!(timer.judge(&request(&[SUPPORTED, enough])), Ok(()));
    }

    #[test]
    fn asking_again_after_422_takes_the_largest_interval_wanted() {
        let mut timer = SessionTimer::new(POLICY);
        assert_eq!(asks(&mut timer), (Some("1800".into()), None));
        assert!(timer.handle_too_small(&response(422, &[(Name::MinSe, "3600")])));
        assert_eq!(asks(&mut timer), (Some("3600".into()), Some("3600".into())));
        // a smaller one is no reason to ask again
        assert!(!timer.handle_too_small(&response(422, &[(Name::MinSe, "2000")])));
        assert!(!timer.handle_too_small(&response(422, &[])));
        assert_eq!(asks(&mut timer), (Some("3600".into()), Some("3600".into())));
    }

    #[test]
    fn refresher_asks_at_half_time_and_keeps_interval_and_role() {
        let start = Instant::now();
        let mut timer = SessionTimer::new(POLICY);
        asks(&mut timer);
        let agreed = response(200, &[(Name::SessionExpires, "1000;refresher=uac")]);
        timer.handle_success(&agreed, start);
        assert_eq!(timer.next_timeout(), Some(at(start, 500)));
        assert_eq!(timer.handle_timeout(at(start, 499)), None);
        assert_eq!(
            timer.handle_timeout(at(start, 500)),
            Some(SessionDue::Refresh)
        );
        assert_eq!(asks(&mut timer).0.unwrap(), "1000;refresher=uac");
        timer.handle_success(&agreed, at(start, 501));
        assert_eq!(timer.next_timeout(), Some(at(start, 1_001)));
    }

    #[test]
    fn session_nobody_refreshes_ends_32_seconds_or_a_third_early() {
        for (value, lapse) in [("1000;refresher=uas", 968), ("90;refresher=uas", 60)] {
            let start = Instant::now();
            let mut timer = SessionTimer::new(POLICY);
            timer.handle_success(&response(200, &[(Name::SessionExpires, value)]), start);
            assert_eq!(timer.next_timeout(), Some(at(start, lapse)), "{value}");
            assert_eq!(timer.handle_timeout(at(start, lapse - 1)), None);
            assert_eq!(
                timer.handle_timeout(at(start, lapse)),
                Some(SessionDue::Lapse)
            );
            assert_eq!(timer.next_timeout(), None);
        }
    }

    #[test]
    fn refresh_that_fails_leaves_the_session_to_lapse() {
        let start = Instant::now();
        let mut timer = SessionTimer::new(POLICY);
        asks(&mut timer);
        timer.handle_success(&response(200, &[]), start);
        assert_eq!(
            timer.handle_timeout(at(start, 900)),
            Some(SessionDue::Refresh)
        );
        assert_eq!(timer.next_timeout(), Some(at(start, 1_768)));
        timer.refresh_at(at(start, 910));
        assert_eq!(
            timer.handle_timeout(at(start, 910)),
            Some(SessionDue::Refresh)
        );
        assert_eq!(
            timer.handle_timeout(at(start, 1_768)),
            Some(SessionDue::Lapse)
        );
    }

    #[test]
    fn end_that_knows_no_timers_is_refreshed_by_us_and_who_asks_for_none_has_none() {
        let start = Instant::now();
        let mut timer = SessionTimer::new(POLICY);
        asks(&mut timer);
        timer.handle_success(&response(200, &[]), start);
        assert_eq!(timer.next_timeout(), Some(at(start, 900)));
        let mut silent = SessionTimer::new(SILENT);
        assert_eq!(asks(&mut silent), (None, None));
        silent.handle_success(&response(200, &[]), start);
        assert_eq!(silent.next_timeout(), None);
    }

    #[test]
    fn timer_is_turned_off_by_a_2xx_without_one() {
        let start = Instant::now();
        let mut timer = SessionTimer::new(SILENT);
        let agreed = [SUPPORTED, (Name::SessionExpires, "600;refresher=uac")];
        let invite = request(&agreed);
        timer.accept(&invite, Builder::response(&invite, 200), start);
        assert_eq!(timer.next_timeout(), Some(at(start, 568)));
        let off = request(&[SUPPORTED]);
        timer.accept(&off, Builder::response(&off, 200), start);
        assert_eq!(timer.next_timeout(), None);
    }

    #[test]
    fn nobody_makes_us_refresh_more_often_than_the_standard_allows() {
        let start = Instant::now();
        let mut timer = SessionTimer::new(POLICY);
        let hasty = response(200, &[(Name::SessionExpires, "2;refresher=uac")]);
        timer.handle_success(&hasty, start);
        assert_eq!(timer.next_timeout(), Some(at(start, 45)));
    }

    #[test]
    fn refresh_goes_by_update_where_that_is_allowed() {
        let mut timer = SessionTimer::new(POLICY);
        assert_eq!(timer.method(), Method::Invite);
        timer.handle_success(
            &response(200, &[(Name::Allow, "INVITE, UPDATE")]),
            Instant::now(),
        );
        assert_eq!(timer.method(), Method::Update);
        // a later message may be silent about it
        timer.handle_success(&response(200, &[]), Instant::now());
        assert_eq!(timer.method(), Method::Update);
        timer.forget_update();
        assert_eq!(timer.method(), Method::Invite);
    }
}
