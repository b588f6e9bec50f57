//! HTTP.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zephyr_http::conditional::{self, IfMatch};
use zephyr_http::idempotency::{Answer, Attempt, IdempotencyKey};
use zephyr_http::json::{self, JsonBytes};
use zephyr_http::{Bearer, Failure, Fields, Json, Params, PathId, tags};
use zephyr_origin_core::error::Problem;
use zephyr_origin_core::{ApiError, Page};

use crate::app::{Listings, written};
use crate::events;
use crate::model::{Changes, NewListing, SearchQuery};
use crate::picture;
use crate::store::Added;
use crate::views::{CategoryView, ImageView, ListingView, SummaryView};

/// A listing with the longest description, as escaped as JSON can be, is shorter.
const MAX_BODY: usize = 256 * 1024;

/// How long shared caches may keep what anybody may read, and serve it while they ask again. Writes
/// drop it earlier.
const CACHING: &str = "public, max-age=30, stale-while-revalidate=60";

impl Listings {
    /// The routes of this service.
    pub fn router(&self) -> OpenApiRouter {
        let json = OpenApiRouter::new()
            .routes(routes!(search, create))
            .routes(routes!(categories))
            .routes(routes!(read, change, delete))
            .routes(routes!(remove_picture))
            .routes(routes!(media))
            .layer(DefaultBodyLimit::max(MAX_BODY));
        let pictures = OpenApiRouter::new()
            .routes(routes!(add_picture))
            .layer(DefaultBodyLimit::max(picture::MAX_BYTES));
        json.merge(pictures).with_state(self.clone())
    }
}

/// 200 with a body that anybody may read and caches may keep, or 304.
fn public(
    request: &HeaderMap,
    etag: HeaderValue,
    keys: &[impl AsRef<str>],
    caching: &'static str,
    content_type: HeaderValue,
    body: Bytes,
) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    tags::store_under(&mut headers, keys);
    let unchanged = conditional::not_modified(request, &etag);
    headers.insert(header::ETAG, etag);
    if unchanged {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, content_type);
    (headers, body).into_response()
}

fn public_json<T: serde::Serialize>(
    request: &HeaderMap,
    etag: Option<HeaderValue>,
    key: &str,
    view: &T,
) -> Result<Response, Failure> {
    let body = Bytes::from(serde_json::to_vec(view).map_err(ApiError::internal)?);
    let etag = etag.unwrap_or_else(|| {
        let hash = Sha256::digest(&body);
        let hash: String = hash[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        conditional::etag(hash)
    });
    let json = HeaderValue::from_static("application/json");
    Ok(public(request, etag, &[key], CACHING, json, body))
}

/// Search listings
///
/// Words in titles weigh more than words in descriptions. Pages go on behind a cursor, in a stable
/// order: new listings neither repeat nor hide others. `attr.<name>=<value>` filters by attributes.
#[utoipa::path(
    get, path = "/api/listings", tag = "listings",
    params(
        ("q" = Option<String>, Query, description = "Words, `\"a phrase\"`, `or`, `-not`; at most 200 characters"),
        ("category" = Option<String>, Query, description = "A slug; its children are included"),
        ("seller" = Option<uuid::Uuid>, Query, description = "Of this seller only"),
        ("currency" = Option<String>, Query, description = "In this currency only"),
        ("min_price" = Option<i64>, Query, description = "Minor units; needs currency"),
        ("max_price" = Option<i64>, Query, description = "Minor units; needs currency"),
        ("sort" = Option<String>, Query, description = "relevance (with q), newest, price_asc, price_desc"),
        ("limit" = Option<u16>, Query, description = "1 to 100, 20 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; the other parameters as they were"),
        ("attr.<name>" = Option<String>, Query, description = "Only with this attribute; at most 8 of them", example = "attr.brand=Fjell"),
    ),
    responses(
        (status = 200, description = "A page", body = Page<SummaryView>),
        (status = 304, description = "As `If-None-Match` says"),
        (status = 400, description = "Parameters are wrong or unknown", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn search(
    State(listings): State<Listings>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Failure> {
    let page = listings.search(&SearchQuery::read(params)?).await?;
    public_json(&headers, None, events::SEARCH_KEY, &page)
}

/// Publish a listing
///
/// With an `Idempotency-Key`, sending it again has no second effect and gets the same answer.
#[utoipa::path(
    post, path = "/api/listings", tag = "listings", request_body = NewListing, security(("bearer" = [])),
    params(("idempotency-key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, kept for a day")),
    responses(
        (status = 201, description = "It is published", body = ListingView),
        (status = 401, description = "No valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 400, description = "Not a JSON object, or a bad Idempotency-Key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token lacks listings:write", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than 256 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, each is named; or the key was used for another request", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn create(
    State(listings): State<Listings>,
    Bearer(identity): Bearer,
    IdempotencyKey(key): IdempotencyKey,
    JsonBytes(body): JsonBytes,
) -> Result<Answer, Failure> {
    let fields = Fields::parse(&body)?;
    let attempt = key.map(|key| Attempt::new(identity.subject, key, "POST /api/listings", &body));
    Ok(listings.create(&identity, fields, attempt).await?)
}

/// The category tree
#[utoipa::path(
    get, path = "/api/listings/categories", tag = "listings",
    responses((status = 200, description = "Parents before their children", body = Vec<CategoryView>))
)]
async fn categories(
    State(listings): State<Listings>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Failure> {
    params.finish()?;
    public_json(
        &headers,
        None,
        "listing-categories",
        &listings.categories().await?,
    )
}

/// Read a listing
#[utoipa::path(
    get, path = "/api/listings/{id}", tag = "listings",
    params(("id" = uuid::Uuid, Path, description = "The listing's id")),
    responses(
        (status = 200, description = "The listing", body = ListingView),
        (status = 304, description = "As `If-None-Match` says"),
        (status = 400, description = "With a parameter", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it was withdrawn", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn read(
    State(listings): State<Listings>,
    PathId(id): PathId,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Failure> {
    params.finish()?;
    let view = listings.read(id).await?;
    let etag = conditional::etag(view.version);
    public_json(&headers, Some(etag), &events::listing_key(id), &view)
}

/// Change a listing
///
/// A merge patch (RFC 7396): what is absent stays. Only its seller may.
#[utoipa::path(
    patch, path = "/api/listings/{id}", tag = "listings", request_body = Changes, security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The listing's id"),
           ("if-match" = String, Header, description = "The ETag that you read")),
    responses(
        (status = 200, description = "The listing as it is now", body = ListingView),
        (status = 400, description = "Not a JSON object", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, each is named; or the attributes do not suit the category", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "Without If-Match", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn change(
    State(listings): State<Listings>,
    Bearer(identity): Bearer,
    PathId(id): PathId,
    if_match: IfMatch,
    fields: Fields,
) -> Result<impl IntoResponse, Failure> {
    let view = listings.change(&identity, id, &if_match, fields).await?;
    Ok((written(id, view.version), Json(view)))
}

/// Delete a listing
#[utoipa::path(
    delete, path = "/api/listings/{id}", tag = "listings", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The listing's id"),
           ("if-match" = String, Header, description = "The ETag that you read")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "No valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "Without If-Match", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn delete(
    State(listings): State<Listings>,
    Bearer(identity): Bearer,
    PathId(id): PathId,
    if_match: IfMatch,
) -> Result<impl IntoResponse, Failure> {
    listings.delete(&identity, id, &if_match).await?;
    let mut headers = written(id, 0);
    headers.remove(header::ETAG);
    Ok((StatusCode::NO_CONTENT, headers))
}

/// Add a picture
///
/// The body is the picture itself: JPEG, PNG or WebP, at most 5 MiB and 40 million pixels. A listing
/// shows at most ten.
#[utoipa::path(
    post, path = "/api/listings/{id}/images", tag = "listings", security(("bearer" = [])),
    request_body(content = Vec<u8>, content_type = "image/*"),
    params(("id" = uuid::Uuid, Path, description = "The listing's id")),
    responses(
        (status = 200, description = "The listing shows it already", body = ImageView),
        (status = 201, description = "It is the listing's last picture", body = ImageView),
        (status = 400, description = "The picture is broken", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The listing is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such listing", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are ten", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Another kind of file", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn add_picture(
    State(listings): State<Listings>,
    Bearer(identity): Bearer,
    PathId(id): PathId,
    request: Request,
) -> Result<impl IntoResponse, Failure> {
    let body = json::body(request, &()).await?;
    let (added, view, version) = listings.add_picture(&identity, id, body).await?;
    let status = match added {
        Added::Already => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    Ok((status, written(id, version), Json(view)))
}

/// Take a picture off a listing
#[utoipa::path(
    delete, path = "/api/listings/{id}/images/{image}", tag = "listings", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path, description = "The listing's id"),
           ("image" = String, Path, description = "The picture's id")),
    responses(
        (status = 204, description = "It is gone; the others move up"),
        (status = 401, description = "No valid access token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The listing is somebody else's", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The listing does not show it", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn remove_picture(
    State(listings): State<Listings>,
    Bearer(identity): Bearer,
    Path((id, image)): Path<(String, String)>,
) -> Result<impl IntoResponse, Failure> {
    let id = id
        .parse()
        .map_err(|_| ApiError::not_found("There is no such listing."))?;
    let version = listings.remove_picture(&identity, id, &image).await?;
    Ok((StatusCode::NO_CONTENT, written(id, version)))
}

/// A picture as it was uploaded
///
/// Through an edge node, `w`, `h`, `fit`, `format` and more make it smaller.
#[utoipa::path(
    get, path = "/media/{image}", tag = "listings",
    params(("image" = String, Path, description = "The picture's id")),
    responses(
        (status = 200, description = "The picture", content_type = "image/*"),
        (status = 304, description = "As `If-None-Match` says"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn media(
    State(listings): State<Listings>,
    Path(image): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !picture::is_id(&image) {
        return Err(no_picture().into());
    }
    // A picture never changes under its id, so its bytes need not be read to say so.
    let etag = conditional::etag(&image);
    let known = conditional::not_modified(&headers, &etag) && listings.has_picture(&image).await?;
    let (media_type, bytes) = if known {
        Default::default()
    } else {
        let picture = listings.picture(&image).await?;
        picture.ok_or_else(no_picture)?
    };
    let content_type = HeaderValue::from_str(&media_type).map_err(ApiError::internal)?;
    let caching = "public, max-age=31536000, immutable";
    let key = events::picture_key(&image);
    let mut answer = public(&headers, etag, &[key], caching, content_type, bytes.into());
    answer.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(answer)
}

fn no_picture() -> ApiError {
    ApiError::not_found("There is no such picture.")
}
