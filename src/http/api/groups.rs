use super::{Answer, Operation, document::Refusals, operation};
use crate::http::{
    Services,
    view::{GroupChange, GroupView, NewGroup, NewMembers, Page, PageRequest, RefusalView},
};
use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(__path_list_groups, list_groups),
        operation(__path_add_group, add_group),
        operation(__path_show_group, show_group),
        operation(__path_change_group, change_group),
        operation(__path_remove_group, remove_group),
        operation(__path_add_members, add_members),
        operation(__path_remove_member, remove_member),
    ]
}

/// Lists the groups, in the order of their addresses, without their members.
#[utoipa::path(
    get,
    path = "/api/v1/groups",
    tag = "groups",
    params(PageRequest),
    responses(
        (status = 200, description = "A page of them", body = Page<GroupView>),
        Refusals,
    )
)]
async fn list_groups(services: Data<Services>, page: Query<PageRequest>) -> Answer {
    Ok(HttpResponse::Ok().json(services.groups(&page).await?))
}

/// Adds a group.
#[utoipa::path(
    post,
    path = "/api/v1/groups",
    tag = "groups",
    request_body = NewGroup,
    responses(
        (status = 201, description = "Added", body = GroupView),
        (status = 409, description = "There is one, or a subscriber, with this address", body = RefusalView),
        Refusals,
    )
)]
async fn add_group(services: Data<Services>, new: Json<NewGroup>) -> Answer {
    Ok(HttpResponse::Created().json(services.add_group(new.into_inner()).await?))
}

/// Shows a group with its members.
#[utoipa::path(
    get,
    path = "/api/v1/groups/{group}",
    tag = "groups",
    params(("group" = String, Path, description = "The sip: URI of the group")),
    responses((status = 200, description = "The group", body = GroupView), Refusals)
)]
async fn show_group(services: Data<Services>, group: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.group(&group).await?))
}

/// Changes what is kept of a group besides its members; what is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/api/v1/groups/{group}",
    tag = "groups",
    params(("group" = String, Path, description = "The sip: URI of the group")),
    request_body = GroupChange,
    responses((status = 200, description = "As it is now", body = GroupView), Refusals)
)]
async fn change_group(
    services: Data<Services>,
    group: Path<String>,
    change: Json<GroupChange>,
) -> Answer {
    let changed = services.change_group(&group, change.into_inner());
    Ok(HttpResponse::Ok().json(changed.await?))
}

/// Removes a group; what waits for its members stays until they fetch it or it expires.
#[utoipa::path(
    delete,
    path = "/api/v1/groups/{group}",
    tag = "groups",
    params(("group" = String, Path, description = "The sip: URI of the group")),
    responses((status = 200, description = "As it was", body = GroupView), Refusals)
)]
async fn remove_group(services: Data<Services>, group: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.remove_group(&group).await?))
}

/// Lets others belong to a group too: all of those named, or none if there is no room for all.
#[utoipa::path(
    post,
    path = "/api/v1/groups/{group}/members",
    tag = "groups",
    params(("group" = String, Path, description = "The sip: URI of the group")),
    request_body = NewMembers,
    responses((status = 200, description = "As it is now", body = GroupView), Refusals)
)]
async fn add_members(
    services: Data<Services>,
    group: Path<String>,
    new: Json<NewMembers>,
) -> Answer {
    let changed = services.join_group(&group, new.into_inner().members);
    Ok(HttpResponse::Ok().json(changed.await?))
}

/// Lets one belong to a group no more; one who is there now is sent away.
#[utoipa::path(
    delete,
    path = "/api/v1/groups/{group}/members/{member}",
    tag = "groups",
    params(
        ("group" = String, Path, description = "The sip: URI of the group"),
        ("member" = String, Path, description = "A sip: or tel: URI"),
    ),
    responses((status = 200, description = "As it is now", body = GroupView), Refusals)
)]
async fn remove_member(services: Data<Services>, path: Path<(String, String)>) -> Answer {
    let (group, member) = path.into_inner();
    Ok(HttpResponse::Ok().json(services.leave_group(&group, &member).await?))
}
