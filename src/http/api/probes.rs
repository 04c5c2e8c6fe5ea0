use crate::{
    http::{Ports, Readiness, Services, State},
    store,
};
use actix_web::{HttpResponse, web};

/// Says that the process answers at all.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "health",
    security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().body("live\n")
}

/// Says whether requests are welcome.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "SIP and MSRP are served", body = String,
            content_type = "text/plain"),
        (status = 503, description = "Starting, draining, or the store takes nothing", body = String,
            content_type = "text/plain"),
    )
)]
pub(super) async fn ready(
    readiness: web::Data<Readiness>,
    services: web::Data<Services>,
) -> HttpResponse {
    let store = services.store.state();
    match readiness.state() {
        State::Ready if matches!(store, store::State::Down | store::State::Lost) => {
            HttpResponse::ServiceUnavailable().body("the store takes nothing\n")
        }
        State::Ready => HttpResponse::Ok().body("ready\n"),
        State::Starting => HttpResponse::ServiceUnavailable().body("starting\n"),
        State::Draining => HttpResponse::ServiceUnavailable().body("draining\n"),
    }
}

/// Shows all figures, for Prometheus to fetch.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "Prometheus' text form", body = String,
            content_type = "text/plain; version=0.0.4; charset=utf-8"),
    )
)]
pub(super) async fn metrics(ports: web::Data<Ports>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body((ports.render_metrics)())
}

/// Gives this document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "health",
    security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object))
)]
pub(super) async fn openapi_document() -> HttpResponse {
    HttpResponse::Ok().json(super::openapi())
}
