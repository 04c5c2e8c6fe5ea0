use super::{Answer, Operation, document::Refusals, operation};
use crate::http::{
    Services,
    view::{EntryView, LimitsView, MailboxView, PageRequest, Purged, QueuesView},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(__path_list_classes, list_classes),
        operation(__path_list_queues, list_queues),
        operation(__path_show_queue, show_queue),
        operation(__path_purge_queue, purge_queue),
        operation(__path_show_entry, show_entry),
        operation(__path_delete_entry, delete_entry),
    ]
}

/// Lists the classes of service, the default one first.
#[utoipa::path(
    get,
    path = "/api/v1/classes",
    tag = "queues",
    responses((status = 200, description = "All of them", body = Vec<LimitsView>), Refusals)
)]
async fn list_classes(services: Data<Services>) -> Answer {
    Ok(HttpResponse::Ok().json(services.classes()))
}

/// Lists the recipients for whom something waits, and what waits for all.
#[utoipa::path(
    get,
    path = "/api/v1/queues",
    tag = "queues",
    params(PageRequest),
    responses((status = 200, description = "A page of them", body = QueuesView), Refusals)
)]
async fn list_queues(services: Data<Services>, page: Query<PageRequest>) -> Answer {
    Ok(HttpResponse::Ok().json(services.queues(&page).await?))
}

/// Shows one mailbox: its level, its limits, and what waits in it.
#[utoipa::path(
    get,
    path = "/api/v1/queues/{address}",
    tag = "queues",
    params(("address" = String, Path, description = "A sip: or tel: URI"), PageRequest),
    responses((status = 200, description = "A page of it", body = MailboxView), Refusals)
)]
async fn show_queue(
    services: Data<Services>,
    address: Path<String>,
    page: Query<PageRequest>,
) -> Answer {
    Ok(HttpResponse::Ok().json(services.queue(&address, &page).await?))
}

/// Removes all that waits for one recipient.
#[utoipa::path(
    delete,
    path = "/api/v1/queues/{address}",
    tag = "queues",
    params(("address" = String, Path, description = "A sip: or tel: URI")),
    responses((status = 200, description = "What was removed", body = Purged), Refusals)
)]
async fn purge_queue(services: Data<Services>, address: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.purge(&address).await?))
}

/// Shows one message that waits.
#[utoipa::path(
    get,
    path = "/api/v1/queues/{address}/{sequence}",
    tag = "queues",
    params(
        ("address" = String, Path, description = "A sip: or tel: URI"),
        ("sequence" = u64, Path, description = "The message's number in the mailbox"),
    ),
    responses((status = 200, description = "The message", body = EntryView), Refusals)
)]
async fn show_entry(services: Data<Services>, which: Path<(String, u64)>) -> Answer {
    let (address, sequence) = which.into_inner();
    Ok(HttpResponse::Ok().json(services.entry(&address, sequence).await?))
}

/// Removes one message that waits.
#[utoipa::path(
    delete,
    path = "/api/v1/queues/{address}/{sequence}",
    tag = "queues",
    params(
        ("address" = String, Path, description = "A sip: or tel: URI"),
        ("sequence" = u64, Path, description = "The message's number in the mailbox"),
    ),
    responses((status = 200, description = "As it was", body = EntryView), Refusals)
)]
async fn delete_entry(services: Data<Services>, which: Path<(String, u64)>) -> Answer {
    let (address, sequence) = which.into_inner();
    Ok(HttpResponse::Ok().json(services.delete_entry(&address, sequence).await?))
}
