//! From and to the messages of the runtime. Header values are taken as bytes and given back as they
//! were; a path is one already that the runtime has normalised (WHATWG URL).

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use zephyr_edge_portable::edge::Tunnel;

use crate::body::Body;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) scheme: &'static str,
}

/// The other end of a tunnel, in the extensions of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Socket(JsValue);

// SAFETY: a Worker's isolate has one thread.
#[expect(unsafe_code, reason = "extensions must be Send and Sync")]
unsafe impl Send for Socket {}
// SAFETY: a Worker's isolate has one thread.
#[expect(unsafe_code, reason = "extensions must be Send and Sync")]
unsafe impl Sync for Socket {}

/// A client's request.
pub(crate) fn request(raw: &web_sys::Request) -> Result<(Request<Body>, Peer), JsValue> {
    let bad = |what: &str| JsValue::from_str(what);
    let uri: Uri = raw.url().parse().map_err(|_| bad("url"))?;
    let scheme = match uri.scheme_str() {
        Some("https") => "https",
        _ => "http",
    };
    let mut headers = headers(&raw.headers())?;
    // The runtime's own word for who the client is: it cannot be sent past it.
    let address = headers
        .remove("cf-connecting-ip")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let upgrade = headers.get(header::UPGRADE);
    let tunnel = upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let length = length(&headers);
    let mut request = Request::new(Body::of(raw.body(), length));
    *request.method_mut() = raw.method().parse().map_err(|_| bad("method"))?;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    if tunnel {
        request.extensions_mut().insert(Tunnel);
    }
    Ok((request, Peer { address, scheme }))
}

/// An upstream's answer.
pub(crate) fn answer(raw: &web_sys::Response) -> Result<Response<Body>, JsValue> {
    let mut headers = headers(&raw.headers())?;
    if headers.contains_key(header::CONTENT_ENCODING) {
        // The runtime has decoded the body, and encodes it again on its way out.
        headers.remove(header::CONTENT_LENGTH);
    }
    let length = length(&headers);
    let mut answer = Response::new(Body::of(raw.body(), length));
    *answer.status_mut() =
        http::StatusCode::from_u16(raw.status()).map_err(|_| JsValue::from_str("status"))?;
    *answer.headers_mut() = headers;
    let socket = Reflect::get(raw, &"webSocket".into()).unwrap_or_default();
    if !socket.is_undefined() && !socket.is_null() {
        answer.extensions_mut().insert(Socket(socket));
    }
    Ok(answer)
}

/// An answer for the client.
pub(crate) fn response(answer: Response<Body>) -> Result<web_sys::Response, JsValue> {
    let (mut parts, body) = answer.into_parts();
    let init = web_sys::ResponseInit::new();
    init.set_status(parts.status.as_u16());
    if let Some(Socket(socket)) = parts.extensions.remove::<Socket>() {
        Reflect::set(&init, &"webSocket".into(), &socket)?;
    }
    init.set_headers(&to_js(&parts.headers)?.into());
    // These have no body, and the runtime refuses an empty one as well.
    let bodiless = matches!(parts.status.as_u16(), 101 | 204 | 205 | 304);
    let body = body.into_js().filter(|_| !bodiless);
    new_response(body.as_ref(), &init)
}

/// `new Response(body, init)` for any kind of body.
pub(crate) fn new_response(
    body: Option<&JsValue>,
    init: &web_sys::ResponseInit,
) -> Result<web_sys::Response, JsValue> {
    let arguments = Array::of2(body.unwrap_or(&JsValue::NULL), init);
    let constructor = Reflect::get(&js_sys::global(), &"Response".into())?;
    let constructor: js_sys::Function = constructor.unchecked_into();
    Reflect::construct(&constructor, &arguments).map(wasm_bindgen::JsCast::unchecked_into)
}

/// A request for `fetch`.
pub(crate) fn to_fetch(
    url: &str,
    method: &http::Method,
    headers: &HeaderMap,
    body: Option<&JsValue>,
) -> Result<web_sys::Request, JsValue> {
    let init = web_sys::RequestInit::new();
    init.set_method(method.as_str());
    init.set_headers(&to_js(headers)?.into());
    init.set_redirect(web_sys::RequestRedirect::Manual);
    if let Some(body) = body {
        init.set_body(body);
    }
    // The platform's own cache must not stand between this one and the origin.
    let cf = Object::new();
    let never = Object::new();
    Reflect::set(&never, &"100-599".into(), &JsValue::from(-1))?;
    Reflect::set(&cf, &"cacheTtlByStatus".into(), &never)?;
    Reflect::set(&init, &"cf".into(), &cf)?;
    web_sys::Request::new_with_str_and_init(url, &init)
}

/// What there is to say when the configuration cannot be read.
pub(crate) fn broken() -> Result<web_sys::Response, JsValue> {
    problem(500, "This server is not configured.")
}

/// What there is to say to a request that is none.
pub(crate) fn unreadable() -> Result<web_sys::Response, JsValue> {
    problem(400, "The request cannot be read.")
}

fn problem(status: u16, detail: &str) -> Result<web_sys::Response, JsValue> {
    let (parts, body) = zephyr_edge_pipeline::problem::response(status, detail, "-").into_parts();
    response(Response::from_parts(parts, Body::Whole(Bytes::from(body))))
}

fn headers(raw: &web_sys::Headers) -> Result<HeaderMap, JsValue> {
    let mut headers = HeaderMap::new();
    for entry in raw.entries() {
        let entry: Array = entry?.unchecked_into();
        let text = |at| entry.get(at).as_string().unwrap_or_default();
        let name = HeaderName::from_bytes(text(0).as_bytes());
        let value = HeaderValue::from_bytes(text(1).as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn to_js(headers: &HeaderMap) -> Result<web_sys::Headers, JsValue> {
    let raw = web_sys::Headers::new()?;
    for (name, value) in headers {
        raw.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
    }
    Ok(raw)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
