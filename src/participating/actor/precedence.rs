use super::{Services, remote};
use crate::{
    deferred::{Envelope, Kind},
    identity::Address,
    participating::facts,
    policy::Handing,
    sip::codec::Message,
};

/// Pages of a mailbox that are looked through for older messages; with more than that waiting,
/// a new message waits too.
const MOST_PAGES: usize = 5;

/// Whether older messages of `sender` wait for `recipient`: what comes now stays behind them, so
/// that their order is kept (spec: offline messages, rule 7). Urgent ones may pass where that is
/// configured. What none of the receiver's devices would have holds nothing up.
pub(super) async fn is_behind(
    services: &Services,
    request: &Message,
    sender: &Address,
    recipient: &Address,
) -> bool {
    let deferred = &services.deferred;
    if deferred.config().priority_overtakes && facts::is_urgent(request) {
        return false;
    }
    // what its receiver keeps back holds nothing up
    if !services.handing(recipient).await.is_ok_and(Handing::pushes) {
        return false;
    }
    if let Some(keeper) = remote::keeper(services, recipient) {
        // what waits elsewhere is being handed over as long as a device would take it
        return services.drains.is_running(recipient)
            && remote::holds_up(services, (sender, recipient), keeper).await;
    }
    let waiting = deferred.waiting(recipient).await;
    if !waiting.is_ok_and(|waiting| !waiting.is_empty()) {
        return false;
    }
    let devices = services.devices_of(recipient);
    let holds_up = |envelope: &Envelope| {
        let refuses = |device| {
            let known = &services.devices;
            known.refuses(recipient, device, envelope.sequence)
        };
        // what was sent to a group belongs to another conversation
        let is_of_sender = envelope.facts.sender == *sender && envelope.facts.group.is_none();
        is_of_sender && envelope.facts.kind == Kind::Message && !devices.iter().all(refuses)
    };
    let (mut after, limit) = (0, services.config.list_page);
    for _ in 0..MOST_PAGES {
        let Ok(page) = deferred.list(recipient, after, limit).await else {
            return false;
        };
        if page.iter().any(holds_up) {
            return true;
        }
        if page.len() < limit {
            return false;
        }
        after = page.iter().map(|one| one.sequence).fold(after, u64::max);
    }
    true
}
