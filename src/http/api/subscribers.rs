use super::{Answer, Operation, document::Refusals, operation};
use crate::http::{
    Services,
    view::{
        NewPassword, NewSubscriber, Page, PageRequest, RefusalView, SubscriberChange,
        SubscriberView,
    },
};
use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(__path_list_subscribers, list_subscribers),
        operation(__path_add_subscriber, add_subscriber),
        operation(__path_show_subscriber, show_subscriber),
        operation(__path_change_subscriber, change_subscriber),
        operation(__path_remove_subscriber, remove_subscriber),
        operation(__path_set_password, set_password),
    ]
}

/// Lists the subscribers, in the order of their addresses.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers",
    tag = "subscribers",
    params(PageRequest),
    responses(
        (status = 200, description = "A page of them", body = Page<SubscriberView>),
        Refusals,
    )
)]
async fn list_subscribers(services: Data<Services>, page: Query<PageRequest>) -> Answer {
    Ok(HttpResponse::Ok().json(services.subscribers(&page).await?))
}

/// Adds a subscriber.
#[utoipa::path(
    post,
    path = "/api/v1/subscribers",
    tag = "subscribers",
    request_body = NewSubscriber,
    responses(
        (status = 201, description = "Added", body = SubscriberView),
        (status = 409, description = "There is one with this address", body = RefusalView),
        Refusals,
    )
)]
async fn add_subscriber(services: Data<Services>, new: Json<NewSubscriber>) -> Answer {
    Ok(HttpResponse::Created().json(services.add_subscriber(new.into_inner()).await?))
}

/// Shows a subscriber, and where they are logged in.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers/{address}",
    tag = "subscribers",
    params(("address" = String, Path, description = "A sip: or tel: URI")),
    responses((status = 200, description = "The subscriber", body = SubscriberView), Refusals)
)]
async fn show_subscriber(services: Data<Services>, address: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.subscriber(&address).await?))
}

/// Changes the settings of a subscriber; what is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/api/v1/subscribers/{address}",
    tag = "subscribers",
    params(("address" = String, Path, description = "A sip: or tel: URI")),
    request_body = SubscriberChange,
    responses((status = 200, description = "As it is now", body = SubscriberView), Refusals)
)]
async fn change_subscriber(
    services: Data<Services>,
    address: Path<String>,
    change: Json<SubscriberChange>,
) -> Answer {
    let changed = services.change_subscriber(&address, change.into_inner());
    Ok(HttpResponse::Ok().json(changed.await?))
}

/// Removes a subscriber; what waits for them stays until it expires or is purged.
#[utoipa::path(
    delete,
    path = "/api/v1/subscribers/{address}",
    tag = "subscribers",
    params(("address" = String, Path, description = "A sip: or tel: URI")),
    responses((status = 200, description = "As it was", body = SubscriberView), Refusals)
)]
async fn remove_subscriber(services: Data<Services>, address: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.remove_subscriber(&address).await?))
}

/// Gives a subscriber a new password.
#[utoipa::path(
    put,
    path = "/api/v1/subscribers/{address}/password",
    tag = "subscribers",
    params(("address" = String, Path, description = "A sip: or tel: URI")),
    request_body = NewPassword,
    responses((status = 200, description = "Changed", body = SubscriberView), Refusals)
)]
async fn set_password(
    services: Data<Services>,
    address: Path<String>,
    new: Json<NewPassword>,
) -> Answer {
    Ok(HttpResponse::Ok().json(services.set_password(&address, new.into_inner()).await?))
}
