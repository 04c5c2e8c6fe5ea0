use super::{AdminToken, Config, Readiness, Services, api, metrics::Metrics, view::RefusalView};
use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{ServerHandle, ServiceRequest, ServiceResponse},
    http::header,
    middleware::{Next, from_fn},
    web,
};
use std::{io, net::SocketAddr, net::TcpListener, sync::Arc};

/// Threads that answer HTTP: people and collectors ask, not traffic.
const WORKERS: usize = 1;
/// How long answers under way may take when the server ends. Units: seconds.
const LAST_ANSWERS: u64 = 2;

/// What the HTTP port is given of the rest of the house.
#[derive(Clone)]
pub struct Ports {
    /// Renders all figures.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where the process stands.
    pub readiness: Readiness,
    /// What the callers of the admin API have to know.
    pub token: AdminToken,
    /// What they can order.
    pub services: Services,
}

/// The HTTP port in service.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
}

/// Opens the port and serves it from threads of its own. To be called inside an actix system.
///
/// Errors: those of binding `config.listen`.
pub fn start(config: &Config, ports: Ports) -> io::Result<Server> {
    let listener = TcpListener::bind(config.listen).map_err(|error| {
        let advice = format!("`http.listen` {}: {error}", config.listen);
        io::Error::new(error.kind(), advice)
    })?;
    let address = listener.local_addr()?;
    let metrics = Metrics::register();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(count))
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(ports.clone()))
            .app_data(web::Data::new(ports.readiness.clone()))
            .app_data(web::Data::new(ports.services.clone()))
            .configure(api::open_paths)
            .service(
                web::scope(api::ROOT)
                    .configure(api::guarded_paths)
                    .wrap(from_fn(admit)),
            )
    })
    .workers(WORKERS)
    .disable_signals()
    .shutdown_timeout(LAST_ANSWERS)
    .listen(listener)?
    .run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(Server { address, handle })
}

impl Server {
    /// Where the port really is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the port; answers under way are finished, unless that takes seconds.
    pub async fn stop(&self) {
        self.handle.stop(true).await;
    }
}

/// Counts what is answered.
async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let metrics = request.app_data::<web::Data<Metrics>>().cloned();
    let outcome = next.call(request).await;
    if let Some(metrics) = metrics {
        metrics.answered(match &outcome {
            Ok(answer) => answer.status().as_u16(),
            Err(error) => error.as_response_error().status_code().as_u16(),
        });
    }
    outcome
}

/// Lets only those pass who know the token.
async fn admit(
    ports: web::Data<Ports>,
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let field = request.headers().get(header::AUTHORIZATION);
    let field = field.and_then(|value| value.to_str().ok());
    if field.is_some_and(|field| ports.token.admits(field)) {
        let answer = next.call(request).await?;
        return Ok(answer.map_into_boxed_body());
    }
    metrics.strangers.increment(1);
    let refusal = HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .json(RefusalView {
            error: "unauthorized".into(),
            detail: "send `Authorization: Bearer` with the text of DATA/admin.token".into(),
        });
    Ok(request.into_response(refusal))
}

#[cfg(test)]
mod tests;
