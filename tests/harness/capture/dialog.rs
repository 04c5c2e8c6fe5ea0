//! The SIP dialogs in a capture.
use super::{Capture, Event};
use restante::sip::codec::{Message, Method};

/// One SIP dialog, or an INVITE that came to none.
pub struct Dialog {
    pub call_id: String,
    /// The poles it goes through, the caller first.
    pub way: Vec<String>,
    /// The INVITE on each stretch of the way.
    pub invites: Vec<Message>,
    /// The final response on each stretch of the way, as far as there is one.
    pub answers: Vec<Message>,
}

impl Capture {
    /// All INVITEs that began something, in their order. One that was sent again with a proof of
    /// its sender counts once.
    pub fn dialogs(&self) -> Vec<Dialog> {
        let mut ids: Vec<String> = Vec::new();
        for message in self.events.iter().filter_map(Event::sip) {
            let id = message.call_id().into_owned();
            if is_initial(message) && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.into_iter().map(|id| self.dialog(id)).collect()
    }

    /// The dialogs that were established: `alice → PF-A`, or `alice → PF-A → C` where a proxy
    /// stands between.
    pub fn established(&self) -> Vec<String> {
        let dialogs = self.dialogs().into_iter();
        let established = dialogs.filter(|dialog| dialog.code() == Some(200));
        established.map(|dialog| dialog.way.join(" → ")).collect()
    }

    /// The dialog with this way, as [`Capture::established`] names it; the last one of several.
    pub fn dialog_by(&self, way: &str) -> Dialog {
        let mut dialogs = self.dialogs().into_iter().rev();
        let found = dialogs.find(|dialog| dialog.way.join(" → ") == way);
        found.unwrap_or_else(|| panic!("no dialog {way}:\n{self}"))
    }

    fn dialog(&self, call_id: String) -> Dialog {
        let of_call = |event: &&Event| {
            let message = event.sip();
            message.is_some_and(|message| message.call_id() == call_id)
        };
        let events: Vec<&Event> = self.events.iter().filter(of_call).collect();
        let mut hops: Vec<(&Event, Option<&Event>)> = Vec::new();
        for event in &events {
            let message = event.sip().expect("a SIP message");
            if is_initial(message) && !hops.iter().any(|(hop, _)| is_repeated(hop, event)) {
                // the same stretch again, now with a proof, or the next stretch
                hops.retain(|(hop, _)| (&hop.from, &hop.to) != (&event.from, &event.to));
                hops.push((event, None));
            }
            let is_final = message.code().is_some_and(|code| code >= 200);
            if is_final && event.label.ends_with(" INVITE") {
                let back = |(hop, answer): &&mut (&Event, Option<&Event>)| {
                    let first = answer.is_none();
                    first && (&hop.from, &hop.to) == (&event.to, &event.from)
                };
                if let Some((_, answer)) = hops.iter_mut().find(back) {
                    *answer = Some(event);
                }
            }
        }
        // a proxy may have tried others before
        if hops.iter().any(|(_, answer)| is_success(*answer)) {
            hops.retain(|(_, answer)| is_success(*answer));
        }
        let mut way: Vec<String> = hops.iter().map(|(hop, _)| hop.from.clone()).collect();
        way.extend(hops.last().map(|(hop, _)| hop.to.clone()));
        let message = |event: &&Event| event.sip().expect("a SIP message").clone();
        Dialog {
            call_id,
            way,
            invites: hops.iter().map(|(hop, _)| message(hop)).collect(),
            answers: hops
                .iter()
                .filter_map(|(_, answer)| answer.as_ref().map(message))
                .collect(),
        }
    }
}

impl Dialog {
    /// The INVITE as its callee had it.
    pub fn invite(&self) -> &Message {
        self.invites.last().expect("an INVITE")
    }

    /// The final response as its callee gave it.
    pub fn answer(&self) -> &Message {
        self.answers.last().expect("a final response")
    }

    /// The code of the final response that the caller had.
    pub fn code(&self) -> Option<u16> {
        self.answers.first().and_then(Message::code)
    }
}

fn is_initial(message: &Message) -> bool {
    let is_invite = message.is_request() && message.is(&Method::Invite);
    is_invite && message.to().is_ok_and(|to| to.tag().is_none())
}

/// Whether an INVITE was sent again, over the same stretch, because datagrams get lost.
fn is_repeated(before: &Event, event: &Event) -> bool {
    let branch = |event: &Event| {
        event
            .sip()
            .and_then(|message| message.via().ok()?.branch().map(str::to_owned))
    };
    (&before.from, &before.to) == (&event.from, &event.to) && branch(before) == branch(event)
}

fn is_success(answer: Option<&Event>) -> bool {
    let code = answer.and_then(Event::sip).and_then(Message::code);
    code.is_some_and(|code| code < 300)
}
