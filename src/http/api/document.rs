use super::{Operation, guarded, open};
use crate::http::view::RefusalView;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths,
        SecurityRequirement,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// The name under which the document speaks of the token.
const TOKEN: &str = "token";

/// Why an order may be refused: the same everywhere.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "described, never made")]
pub(super) enum Refusals {
    /// The order is unreadable or makes no sense.
    #[response(status = 400)]
    Unreadable(RefusalView),
    /// The token is missing or wrong.
    #[response(status = 401)]
    Unauthorized(RefusalView),
    /// There is no such thing.
    #[response(status = 404)]
    Unknown(RefusalView),
    /// The server is busy or about to end; ask again later.
    #[response(status = 503)]
    Busy(RefusalView),
}

/// The OpenAPI document of the HTTP port, made of the very table the router is made of.
pub fn openapi() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new()
        .schema(RefusalView::name(), RefusalView::schema())
        .security_scheme(TOKEN, bearer());
    for operation in open().into_iter().chain(guarded()) {
        let Operation {
            path,
            methods,
            description,
            schemas,
            ..
        } = operation;
        paths.add_path_operation(path, methods, description);
        components = components.schemas_from_iter(schemas);
    }
    let licence = LicenseBuilder::new()
        .name("MIT OR Apache-2.0")
        .identifier(Some("MIT OR Apache-2.0"));
    let info = InfoBuilder::new()
        .title("Restante")
        .description(Some(
            "Health, figures and the operator's desk of a deferred-messaging server.",
        ))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(licence.build()));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new::<_, _, &str>(TOKEN, [])]))
        .build()
}

fn bearer() -> SecurityScheme {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("the text of DATA/admin.token"));
    SecurityScheme::Http(scheme.build())
}
