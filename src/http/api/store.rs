use super::{Answer, Operation, document::Refusals, operation};
use crate::http::{
    Services,
    view::{JobView, NewBackup, RefusalView, StoreView},
};
use actix_web::{
    HttpResponse,
    web::{Data, Json},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(__path_show_store, show_store),
        operation(__path_compact_store, compact_store),
        operation(__path_verify_store, verify_store),
        operation(__path_backup_store, backup_store),
        operation(__path_show_job, show_job),
    ]
}

/// Tells what the store takes, and what it may still take.
#[utoipa::path(
    get,
    path = "/api/v1/store",
    tag = "store",
    responses((status = 200, description = "Its level", body = StoreView), Refusals)
)]
async fn show_store(services: Data<Services>) -> Answer {
    Ok(HttpResponse::Ok().json(services.store().await?))
}

/// Begins to give the space of what is gone back to the file system.
#[utoipa::path(
    post,
    path = "/api/v1/store/compact",
    tag = "store",
    responses(
        (status = 202, description = "Begun", body = JobView),
        (status = 409, description = "Another job is running", body = RefusalView),
        Refusals,
    )
)]
async fn compact_store(services: Data<Services>) -> Answer {
    Ok(HttpResponse::Accepted().json(services.compact().await?))
}

/// Begins to read every entry of the store; a job that finds damage has failed.
#[utoipa::path(
    post,
    path = "/api/v1/store/verify",
    tag = "store",
    responses(
        (status = 202, description = "Begun", body = JobView),
        (status = 409, description = "Another job is running", body = RefusalView),
        Refusals,
    )
)]
async fn verify_store(services: Data<Services>) -> Answer {
    Ok(HttpResponse::Accepted().json(services.verify().await?))
}

/// Begins to copy the store to a file, as it is at this moment.
#[utoipa::path(
    post,
    path = "/api/v1/store/backup",
    tag = "store",
    request_body = NewBackup,
    responses(
        (status = 202, description = "Begun", body = JobView),
        (status = 409, description = "Another job is running", body = RefusalView),
        Refusals,
    )
)]
async fn backup_store(services: Data<Services>, new: Json<NewBackup>) -> Answer {
    Ok(HttpResponse::Accepted().json(services.backup(new.into_inner()).await?))
}

/// Tells how the job that runs, or ran last, stands.
#[utoipa::path(
    get,
    path = "/api/v1/store/job",
    tag = "store",
    responses((status = 200, description = "The job", body = JobView), Refusals)
)]
async fn show_job(services: Data<Services>) -> Answer {
    Ok(HttpResponse::Ok().json(services.job().await?))
}
