use super::{Answer, Operation, document::Refusals, operation};
use crate::http::{
    Services,
    view::{MessageView, Purged, WhichCopies},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path, Query},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(__path_show_message, show_message),
        operation(__path_delete_message, delete_message),
    ]
}

/// Tells the life of a message, and where it still waits.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    tag = "messages",
    params(("id" = String, Path, description = "The identifier its sender gave it")),
    responses((status = 200, description = "Its life", body = MessageView), Refusals)
)]
async fn show_message(services: Data<Services>, id: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.message(&id).await?))
}

/// Removes a message for all who have not got it yet, or for one of them.
#[utoipa::path(
    delete,
    path = "/api/v1/messages/{id}",
    tag = "messages",
    params(
        ("id" = String, Path, description = "The identifier its sender gave it"),
        WhichCopies,
    ),
    responses((status = 200, description = "What was removed", body = Purged), Refusals)
)]
async fn delete_message(
    services: Data<Services>,
    id: Path<String>,
    which: Query<WhichCopies>,
) -> Answer {
    Ok(HttpResponse::Ok().json(services.delete_message(&id, &which).await?))
}
