//! The API's description.

use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// What the description says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Zephyr",
        description = "The origin's API. Clients reach it through an edge node; `/admin/api` is on the origin only.\n\nEvery error is a problem (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "auth", description = "Accounts, sessions and tokens"),
        (name = "listings", description = "The marketplace's catalogue"),
        (name = "admin", description = "For operators")
    ),
    modifiers(&Security)
)]
pub(crate) struct Api;

struct Security;

impl Modify for Security {
    fn modify(&self, api: &mut Description) {
        let components = api.components.get_or_insert_default();
        let bearer = || SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", bearer());
        components.add_security_scheme("admin", bearer());
    }
}
