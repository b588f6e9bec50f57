//! From and to the host's messages, on raw handles.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::wit_future;

use crate::body::Body;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address.
    pub address: IpAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
}

/// A client's request.
///
/// # Errors
///
/// What the host gives is none.
pub async fn request(raw: Request) -> Result<(http::Request<Body>, Peer), http::Error> {
    let method = method_of(&raw.get_method())?;
    let scheme = match raw.get_scheme() {
        Some(Scheme::Https) => "https",
        _ => "http",
    };
    let mut headers = headers_of(&raw.get_headers());
    // The host's own word for who the client is; it takes out what clients write there.
    let address = headers
        .get("spin-client-addr")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| {
            let socket = text.parse::<SocketAddr>().map(|socket| socket.ip());
            socket.or_else(|_| text.parse()).ok()
        })
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let spins = |name: &&HeaderName| name.as_str().starts_with("spin-");
    let spins: Vec<HeaderName> = headers.keys().filter(spins).cloned().collect();
    for name in spins {
        headers.remove(name);
    }
    if !headers.contains_key(header::HOST)
        && let Some(authority) = raw.get_authority()
    {
        headers.insert(header::HOST, HeaderValue::try_from(authority)?);
    }
    let target = raw.get_path_with_query();
    let target = target.filter(|target| !target.is_empty());
    let (_, done) = wit_future::new(|| Ok(()));
    let (stream, end) = Request::consume_body(raw, done);
    let mut body = Body::of(stream, end, length(&headers));
    if matches!(
        method,
        http::Method::GET | http::Method::HEAD | http::Method::OPTIONS
    ) {
        // Requests of these rarely have one, and the host does not say.
        body = body.peeked().await;
    }
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target.as_deref().unwrap_or("/").parse()?;
    *request.headers_mut() = headers;
    Ok((request, Peer { address, scheme }))
}

/// An upstream's answer.
///
/// # Errors
///
/// What the host gives is none.
pub fn answer(raw: Response) -> Result<http::Response<Body>, http::Error> {
    let status = http::StatusCode::from_u16(raw.get_status_code())?;
    let headers = headers_of(&raw.get_headers());
    let (_, done) = wit_future::new(|| Ok(()));
    let (stream, end) = Response::consume_body(raw, done);
    let bodiless = matches!(status.as_u16(), 204 | 304);
    let length = if bodiless { Some(0) } else { length(&headers) };
    let mut answer = http::Response::new(Body::of(stream, end, length));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// An answer for the client.
///
/// # Errors
///
/// The host refuses its status.
pub fn response(answer: http::Response<Body>) -> Result<Response, ErrorCode> {
    let (mut parts, body) = answer.into_parts();
    if let Body::Whole(bytes) = &body
        && !bytes.is_empty()
    {
        let length = HeaderValue::from(bytes.len());
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    let (contents, end) = body.into_contents();
    let (response, _sent) = Response::new(fields_of(&parts.headers), contents, end);
    response
        .set_status_code(parts.status.as_u16())
        .map_err(|()| ErrorCode::HttpProtocolError)?;
    Ok(response)
}

/// What there is to say when the configuration cannot be read.
#[must_use]
pub fn broken() -> http::Response<Body> {
    problem(500, "This server is not configured.")
}

/// What there is to say to a request that is none.
#[must_use]
pub fn unreadable() -> http::Response<Body> {
    problem(400, "The request cannot be read.")
}

fn problem(status: u16, detail: &str) -> http::Response<Body> {
    zephyr_edge_pipeline::problem::response(status, detail, "-")
        .map(|body| Body::Whole(Bytes::from(body)))
}

/// Fields as the host takes them: one that it refuses is left out.
#[must_use]
pub fn fields_of(headers: &HeaderMap) -> Fields {
    let fields = Fields::new();
    for (name, value) in headers {
        if fields.append(name.as_str(), value.as_bytes()).is_err() {
            tracing::debug!("the host refuses the field {name}");
        }
    }
    fields
}

/// Fields of the host.
#[must_use]
pub fn headers_of(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.copy_all() {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn method_of(method: &Method) -> Result<http::Method, http::method::InvalidMethod> {
    Ok(match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
        Method::Connect => http::Method::CONNECT,
        Method::Options => http::Method::OPTIONS,
        Method::Trace => http::Method::TRACE,
        Method::Patch => http::Method::PATCH,
        Method::Other(name) => http::Method::from_bytes(name.as_bytes())?,
    })
}

/// The host's method.
#[must_use]
pub fn to_method(method: &http::Method) -> Method {
    match *method {
        http::Method::GET => Method::Get,
        http::Method::HEAD => Method::Head,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::DELETE => Method::Delete,
        http::Method::OPTIONS => Method::Options,
        http::Method::PATCH => Method::Patch,
        _ => Method::Other(method.as_str().to_owned()),
    }
}
