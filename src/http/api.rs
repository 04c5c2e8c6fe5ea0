//! The admin API: paths and methods, nothing else; what is done stands in `service`.
use super::{
    service::{ServiceError, Services},
    view::{NewPassword, NewSubscriber, PageRequest, RefusalView},
};
use actix_web::{
    HttpResponse, ResponseError, error,
    http::StatusCode,
    web,
    web::{Data, Json, Path, Query, ServiceConfig},
};

type Answer = Result<HttpResponse, ServiceError>;

/// Largest document taken from a caller, in octets.
const DOCUMENT_LIMIT: usize = 64 * 1024;

/// Everything below `/api/v1`.
pub(super) fn paths(config: &mut ServiceConfig) {
    config
        .app_data(
            web::JsonConfig::default()
                .limit(DOCUMENT_LIMIT)
                .error_handler(|error, _| unreadable(error.to_string())),
        )
        .app_data(
            web::QueryConfig::default().error_handler(|error, _| unreadable(error.to_string())),
        )
        .service(
            web::resource("/subscribers")
                .get(list_subscribers)
                .post(add_subscriber),
        )
        .service(
            web::resource("/subscribers/{address}")
                .get(show_subscriber)
                .delete(remove_subscriber),
        )
        .service(web::resource("/subscribers/{address}/password").put(set_password))
        .service(web::resource("/queues").get(list_queues))
        .service(
            web::resource("/queues/{address}")
                .get(show_queue)
                .delete(purge),
        )
        .service(web::resource("/messages/{id}").get(trace))
        .default_service(web::to(nothing_here));
}

async fn list_subscribers(services: Data<Services>, page: Query<PageRequest>) -> Answer {
    Ok(HttpResponse::Ok().json(services.subscribers(&page).await?))
}

async fn add_subscriber(services: Data<Services>, new: Json<NewSubscriber>) -> Answer {
    Ok(HttpResponse::Created().json(services.add_subscriber(new.into_inner()).await?))
}

async fn show_subscriber(services: Data<Services>, address: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.subscriber(&address).await?))
}

async fn remove_subscriber(services: Data<Services>, address: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.remove_subscriber(&address).await?))
}

async fn set_password(
    services: Data<Services>,
    address: Path<String>,
    new: Json<NewPassword>,
) -> Answer {
    Ok(HttpResponse::Ok().json(services.set_password(&address, new.into_inner()).await?))
}

async fn list_queues(services: Data<Services>, page: Query<PageRequest>) -> Answer {
    Ok(HttpResponse::Ok().json(services.queues(&page).await?))
}

async fn show_queue(
    services: Data<Services>,
    address: Path<String>,
    page: Query<PageRequest>,
) -> Answer {
    Ok(HttpResponse::Ok().json(services.queue(&address, &page).await?))
}

async fn purge(services: Data<Services>, address: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.purge(&address).await?))
}

async fn trace(services: Data<Services>, id: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(services.trace(&id).await?))
}

async fn nothing_here() -> Answer {
    Err(ServiceError::NoSuchPath)
}

impl ResponseError for ServiceError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(RefusalView {
            error: self.kind().to_owned(),
            detail: self.to_string(),
        })
    }
}

fn unreadable(detail: String) -> error::Error {
    ServiceError::Unreadable(detail).into()
}
