use super::{AdminToken, Config, Readiness, health};
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

/// Largest document taken from a caller, in octets.
const DOCUMENT_LIMIT: usize = 64 * 1024;

/// What the HTTP port is given of the rest of the house.
#[derive(Clone)]
pub struct Ports {
    /// Renders all figures.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where the process stands.
    pub readiness: Readiness,
    /// What the callers of the admin API have to know.
    pub token: AdminToken,
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
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(ports.clone()))
            .app_data(web::Data::new(ports.readiness.clone()))
            .app_data(web::JsonConfig::default().limit(DOCUMENT_LIMIT))
            .service(health::live)
            .service(health::ready)
            .service(health::metrics)
            .service(web::scope("/api/v1").wrap(from_fn(admit)))
    })
    .workers(WORKERS)
    .disable_signals()
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

    /// Stops the port; answers under way are finished.
    pub async fn stop(&self) {
        self.handle.stop(true).await;
    }
}

/// Lets only those pass who know the token.
async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let field = request.headers().get(header::AUTHORIZATION);
    let admitted = match (
        field.map(|value| value.to_str()),
        request.app_data::<web::Data<Ports>>(),
    ) {
        (Some(Ok(field)), Some(ports)) => ports.token.admits(field),
        _ => false,
    };
    if admitted {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body);
    }
    let refusal = HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .json(serde_json::json!({
            "error": "unauthorized",
            "detail": "send `Authorization: Bearer` with the text of DATA/admin.token",
        }));
    Ok(request.into_response(refusal))
}
