use super::{Ports, Readiness, State};
use actix_web::{HttpResponse, Responder, get, web};

/// Answers as long as the process can answer.
#[get("/health/live")]
pub(super) async fn live() -> impl Responder {
    HttpResponse::Ok().body("live\n")
}

/// Answers 200 when requests are welcome.
#[get("/health/ready")]
pub(super) async fn ready(readiness: web::Data<Readiness>) -> impl Responder {
    match readiness.state() {
        State::Ready => HttpResponse::Ok().body("ready\n"),
        State::Starting => HttpResponse::ServiceUnavailable().body("starting\n"),
        State::Draining => HttpResponse::ServiceUnavailable().body("draining\n"),
    }
}

/// All figures, for Prometheus to fetch.
#[get("/metrics")]
pub(super) async fn metrics(ports: web::Data<Ports>) -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body((ports.render_metrics)())
}
