//! A folder as a route's target.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use zephyr_content::files::{Content, Files, METHODS, Refusal, Request as Asked};
use zephyr_edge_pipeline::problem;

use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;

/// Answers a request with a file, or with a problem.
pub(crate) async fn serve(
    files: &Arc<Files>,
    x: &Exchange,
    request: &Request<Body>,
) -> Result<Response<Body>, ProxyError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let asked = Asked {
        method: request.method(),
        path: request.uri().path(),
        query: request.uri().query(),
        headers: request.headers(),
        now: now.unwrap_or_default(),
    };
    let refusal = match files.answer(asked).await {
        Ok(response) => {
            return Ok(response.map(|content| match content {
                Content::Bytes(bytes) => Body::full(bytes),
                Content::File(body) => Body::stream(body),
            }));
        }
        Err(refusal) => refusal,
    };
    let (status, detail) = match refusal {
        Refusal::NotFound => (StatusCode::NOT_FOUND, "There is nothing here."),
        Refusal::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            "Files can be read, and nothing else.",
        ),
        Refusal::NotAcceptable => (
            StatusCode::NOT_ACCEPTABLE,
            "There is no version in a coding that the request accepts.",
        ),
        Refusal::Precondition => (
            StatusCode::PRECONDITION_FAILED,
            "The file is not the version that the request means.",
        ),
        Refusal::Failed(error) => {
            let detail = "The server cannot read its files.";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(ProxyError::new(Source::Edge, status, detail).with_cause(error));
        }
    };
    let mut response = problem::response(status.as_u16(), detail, &x.id);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, METHODS);
    }
    // What a cache is to know of it: the file may be there in a moment.
    if status == StatusCode::NOT_FOUND {
        let no_cache = HeaderValue::from_static("no-cache");
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, no_cache);
    }
    if *request.method() == Method::HEAD {
        return Ok(response.map(|_| Body::Empty));
    }
    Ok(response.map(|body| Body::full(body)))
}
