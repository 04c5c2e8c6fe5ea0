//! Every path and method of the HTTP port, in one table: the router and the OpenAPI document are
//! both made of it, so that neither knows what the other does not. What is done stands in
//! `service`.
mod document;
mod groups;
mod messages;
mod probes;
mod queues;
mod store;
mod subscribers;

pub use document::openapi;

use super::{service::ServiceError, view::RefusalView};
use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, ResponseError, Route, error,
    http::{Method, StatusCode, header},
    web::{self, ServiceConfig},
};
use std::collections::BTreeMap;
use utoipa::{__dev::SchemaReferences, openapi};

type Answer = Result<HttpResponse, ServiceError>;

/// Where the admin API begins.
pub(super) const ROOT: &str = "/api/v1";

/// Largest document taken from a caller, in octets.
const DOCUMENT_LIMIT: usize = 64 * 1024;

/// One method of one path: who answers, and what is told about it.
struct Operation {
    path: String,
    methods: Vec<openapi::HttpMethod>,
    route: Route,
    description: openapi::path::Operation,
    schemas: Vec<(String, openapi::RefOr<openapi::Schema>)>,
}

/// The operation that `handler` answers and `P` describes.
fn operation<P, F, Args>(_description: P, handler: F) -> Operation
where
    P: utoipa::Path + SchemaReferences,
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let methods = P::methods();
    let guarded = methods.iter().fold(web::route(), |route, method| {
        route.method(method_of(method))
    });
    let mut schemas = Vec::new();
    P::schemas(&mut schemas);
    Operation {
        path: P::path(),
        methods,
        route: guarded.to(handler),
        description: P::operation(),
        schemas,
    }
}

/// What anybody may ask.
fn open() -> Vec<Operation> {
    use probes::{__path_live, __path_metrics, __path_openapi_document, __path_ready};
    vec![
        operation(__path_live, probes::live),
        operation(__path_ready, probes::ready),
        operation(__path_metrics, probes::metrics),
        operation(__path_openapi_document, probes::openapi_document),
    ]
}

/// What only those may order who know the token.
fn guarded() -> Vec<Operation> {
    [
        subscribers::operations(),
        groups::operations(),
        queues::operations(),
        messages::operations(),
        store::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The paths which need no token.
pub(super) fn open_paths(config: &mut ServiceConfig) {
    for resource in resources(open(), "") {
        config.service(resource);
    }
}

/// Everything below [`ROOT`] that needs the token.
pub(super) fn guarded_paths(config: &mut ServiceConfig) {
    config
        .app_data(
            web::JsonConfig::default()
                .limit(DOCUMENT_LIMIT)
                .error_handler(|error, _| unreadable(error.to_string())),
        )
        .app_data(
            web::QueryConfig::default().error_handler(|error, _| unreadable(error.to_string())),
        )
        .app_data(
            web::PathConfig::default().error_handler(|error, _| unreadable(error.to_string())),
        );
    for resource in resources(guarded(), ROOT) {
        config.service(resource);
    }
    config.default_service(web::to(nothing_here));
}

/// The operations by their paths, without `prefix`; other methods are answered 405.
fn resources(operations: Vec<Operation>, prefix: &str) -> Vec<Resource> {
    let mut by_path: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in operations {
        let path = operation.path.trim_start_matches(prefix).to_owned();
        by_path.entry(path).or_default().push(operation);
    }
    let resource = |(path, operations): (String, Vec<Operation>)| {
        let methods = operations.iter().flat_map(|operation| &operation.methods);
        let methods: Vec<String> = methods.map(|it| method_of(it).to_string()).collect();
        let allowed = methods.join(", ");
        let resource = operations
            .into_iter()
            .fold(web::resource(path), |resource, operation| {
                resource.route(operation.route)
            });
        resource.default_service(web::to(move || other_method(allowed.clone())))
    };
    by_path.into_iter().map(resource).collect()
}

fn method_of(method: &openapi::HttpMethod) -> Method {
    match method {
        openapi::HttpMethod::Get => Method::GET,
        openapi::HttpMethod::Post => Method::POST,
        openapi::HttpMethod::Put => Method::PUT,
        openapi::HttpMethod::Delete => Method::DELETE,
        openapi::HttpMethod::Options => Method::OPTIONS,
        openapi::HttpMethod::Head => Method::HEAD,
        openapi::HttpMethod::Patch => Method::PATCH,
        openapi::HttpMethod::Trace => Method::TRACE,
    }
}

async fn nothing_here() -> Answer {
    Err(ServiceError::NoSuchPath)
}

async fn other_method(allowed: String) -> HttpResponse {
    let mut refusal = ServiceError::NoSuchMethod.error_response();
    if let Ok(allowed) = header::HeaderValue::from_str(&allowed) {
        refusal.headers_mut().insert(header::ALLOW, allowed);
    }
    refusal
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
