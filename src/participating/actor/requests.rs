use super::{
    Services, deletion,
    handover::{Broken, Handover},
    hearing::Heard,
    pages::Page,
};
use crate::{
    content::deferred_list::{Action, DeferredList, Terms},
    profile::mime,
    store::StoreError,
};
use std::collections::HashSet;

/// Serves what a device has asked for over its open channel so far: a deferred list says what is
/// to be done, is answered 200, and when it is done a list comes back that says what was.
pub(super) async fn serve(handover: &mut Handover) -> Result<(), Broken> {
    while let Some(request) = handover.request() {
        answer(handover, request).await?;
    }
    Ok(())
}

/// Serves what is asked for until the device ends the channel, or falls silent.
pub(super) async fn serve_on(handover: &mut Handover) -> Result<(), Broken> {
    loop {
        let request = handover.next_request().await?;
        answer(handover, request).await?;
    }
}

async fn answer(handover: &mut Handover, request: Heard) -> Result<(), Broken> {
    let Ok(asked) = DeferredList::parse(&request.body) else {
        handover.respond(request.chunk, 400);
        return Ok(());
    };
    handover.respond(request.chunk, 200);
    let action = asked
        .terms
        .action
        .unwrap_or(match asked.entries.is_empty() {
            true => Action::List,
            false => Action::Fetch,
        });
    let mut list = match action {
        Action::List => page(handover, &asked.terms).await?,
        Action::Fetch => fetch(handover, &asked).await?,
        Action::Delete => delete(handover, &asked).await?,
    };
    list.terms.action = Some(action);
    list.terms.request = Some(request.message_id);
    handover
        .send_document(mime::DEFERRED_LIST, list.to_bytes().into())
        .await
}

/// The page of the list that `terms` ask for.
pub(super) async fn page(handover: &Handover, terms: &Terms) -> Result<DeferredList, Broken> {
    let page = Page::of(terms.after.as_deref(), terms.limit);
    let listed = page.of_mailbox(handover.services(), handover.owner()).await;
    listed.map_err(|_| Broken::Store("list"))
}

/// Sends the messages that are asked for; lists those that the device took.
async fn fetch(handover: &mut Handover, asked: &DeferredList) -> Result<DeferredList, Broken> {
    let (services, owner) = (handover.services().clone(), handover.owner().clone());
    let mut found = Vec::new();
    for reference in asked.references() {
        let waiting = services.deferred.find(&owner, reference).await;
        found.extend(waiting.map_err(|_| Broken::Store("find"))?);
    }
    let before: HashSet<u64> = handover.tally.refused.iter().copied().collect();
    for envelope in &found {
        handover.send(envelope).await?;
    }
    handover.finish().await?;
    let refused: HashSet<u64> = handover.tally.refused.iter().copied().collect();
    let taken = found.into_iter().filter(|one| {
        let is_refused = refused.contains(&one.sequence) && !before.contains(&one.sequence);
        !is_refused
    });
    let taken = taken.map(|one| one.facts.message_id.clone());
    Ok(DeferredList::of_references(taken))
}

/// Deletes the messages that are named; lists those that were there.
async fn delete(handover: &Handover, asked: &DeferredList) -> Result<DeferredList, Broken> {
    let deleted = deleted(handover.services(), handover, asked).await;
    deleted.map_err(|_| Broken::Store("delete"))
}

async fn deleted(
    services: &Services,
    handover: &Handover,
    asked: &DeferredList,
) -> Result<DeferredList, StoreError> {
    let mut gone = Vec::new();
    for entry in &asked.entries {
        if deletion::delete_one(services, handover.owner(), entry).await? > 0 {
            gone.push(entry.reference.clone());
        }
    }
    Ok(DeferredList::of_references(gone))
}
