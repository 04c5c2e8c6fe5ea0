//! A SIP core whose users have their home server elsewhere tells that one who is there, and who
//! has gone: third-party REGISTER (RFC 3261 §10.2, 3GPP TS 24.229 §5.4.1.7).
use super::Services;
use crate::{
    clock,
    identity::Address,
    neighbours::{Hop, Role},
    sip::{
        actor::Target,
        codec::{Builder, Message, Method, Name},
        transaction::Transport,
    },
};
use std::{rc::Rc, time::Duration};

/// How often it is told again to a home server that does not answer. The next REGISTER of the
/// user's device tells it anew in any case.
const TRIES: u32 = 4;
/// Pause before the second try; doubled each time.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells the home server of `user`, if it is another one, whether that one is there now.
pub(super) fn tell(services: &Rc<Services>, user: &Address) {
    let neighbours = &services.neighbours;
    if neighbours.is_core_only()
        && let Some(home) = neighbours.at(Role::Participating)
    {
        actix_rt::spawn(tell_until_heard(
            services.clone(),
            user.clone(),
            home.clone(),
        ));
    }
}

async fn tell_until_heard(services: Rc<Services>, user: Address, home: Hop) {
    let call_id = services.endpoint.new_call_id();
    for number in 1..=TRIES {
        // what is true by now, not what was true at the first try
        let request = third_party(&services, &user, &home, (&call_id, number));
        match services.endpoint.exchange(request, Target::Message).await {
            Ok(answer) if answer.code() == Some(200) => return,
            Ok(answer) => {
                let code = answer.code();
                tracing::warn!(%user, code, "the home server refused to hear who is there");
                return;
            }
            Err(error) => tracing::debug!(%user, %error, "the home server was not told"),
        }
        tokio::time::sleep(PAUSE * 2u32.pow(number - 1)).await;
    }
    tracing::warn!(%user, "the home server does not know who is there: it does not answer");
}

fn third_party(
    services: &Services,
    user: &Address,
    home: &Hop,
    (call_id, number): (&str, u32),
) -> Message {
    let now = clock::wall();
    let bindings = services.location.bindings(user, now);
    let left = bindings.iter().map(|one| one.expires_at.since(now));
    let seconds = left.max().map_or(0, |left| left.as_secs().max(1));
    let core = services.endpoint.contact_uri(None, Transport::Tcp);
    let from = format!("<{core}>;tag={}", services.endpoint.new_tag());
    let mut request = Builder::request(
        Method::Register,
        format!("sip:{}", user.domain().unwrap_or("localhost")),
    )
    .header(Name::MaxForwards, "70")
    .header(Name::To, format!("<{user}>"))
    .header(Name::From, from)
    .header(Name::CallId, call_id)
    .header(Name::CSeq, format!("{number} REGISTER"))
    .header(Name::Contact, format!("<{core}>"))
    .header(Name::Expires, seconds.to_string());
    if let Some(route) = home.route() {
        request = request.header(Name::Route, route);
    }
    request.build()
}
