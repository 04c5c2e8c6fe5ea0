use crate::http::{Ports, Readiness, State};
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
        (status = 503, description = "Starting, or draining", body = String,
            content_type = "text/plain"),
    )
)]
pub(super) async fn ready(readiness: web::Data<Readiness>) -> HttpResponse {
    match readiness.state() {
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
