use super::{AdminToken, Config, Readiness, health, metrics::Metrics, view::RefusalView};
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
    let metrics = Metrics::register();
    let server = HttpServer::new(move || {
        App::new()
            .wrap(from_fn(count))
            .app_data(web::Data::new(metrics.clone()))
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
mod tests {
    use super::*;
    use crate::http::State;

    fn ports(folder: &std::path::Path) -> Ports {
        Ports {
            render_metrics: Arc::new(|| "restante_things_total 7\n".into()),
            readiness: Readiness::default(),
            token: AdminToken::load_or_make(folder).unwrap(),
        }
    }

    /// Status and text of a GET, asked from a thread of its own.
    async fn get(server: &Server, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = ureq::get(format!("http://{}{path}", server.address()))
            .config()
            .http_status_as_error(false)
            .build();
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = request.call().unwrap();
            (
                answer.status().as_u16(),
                answer.body_mut().read_to_string().unwrap(),
            )
        });
        answer.await.unwrap()
    }

    fn on_free_port() -> Config {
        Config {
            listen: ([127, 0, 0, 1], 0).into(),
        }
    }

    #[actix_rt::test]
    async fn readiness_follows_the_life_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let ports = ports(folder.path());
        let readiness = ports.readiness.clone();
        let server = start(&on_free_port(), ports).unwrap();
        assert_eq!(get(&server, "/health/live", None).await.0, 200);
        for (state, status) in [
            (State::Starting, 503),
            (State::Ready, 200),
            (State::Draining, 503),
        ] {
            readiness.set(state);
            assert_eq!(
                get(&server, "/health/ready", None).await.0,
                status,
                "{state:?}"
            );
        }
    }

    #[actix_rt::test]
    async fn metrics_are_open_and_the_admin_api_wants_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let ports = ports(folder.path());
        let token = ports.token.clone();
        let server = start(&on_free_port(), ports).unwrap();
        let (status, text) = get(&server, "/metrics", None).await;
        assert_eq!((status, text.as_str()), (200, "restante_things_total 7\n"));
        assert_eq!(get(&server, "/api/v1/nothing", None).await.0, 401);
        assert_eq!(get(&server, "/api/v1/nothing", Some("wrong")).await.0, 401);
        assert_eq!(
            get(&server, "/api/v1/nothing", Some(token.as_str()))
                .await
                .0,
            404
        );
    }

    #[actix_rt::test]
    async fn taken_port_is_refused_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let config = Config {
            listen: taken.local_addr().unwrap(),
        };
        let Err(error) = start(&config, ports(folder.path())) else {
            panic!("the port is taken")
        };
        assert!(error.to_string().contains("`http.listen`"), "{error}");
    }
}
