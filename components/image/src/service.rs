//! The export: `wasi:http/handler` and the trips it makes. All that is decided is decided in
//! [`exchange`](crate::exchange).

use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::{wit_future, wit_stream};
use wit_bindgen::StreamResult;
use zephyr_edge_core::Reply;

use crate::exchange::{self, Exchange, Head};
use crate::limits::MAX_SOURCE_BYTES;

/// The upstream that has the sources.
const UPSTREAM: &str = "origin";

/// How much of the origin's body is read at once.
const CHUNK: usize = 64 * 1024;

#[expect(clippy::wildcard_imports, reason = "generated exports")]
mod export {
    use super::*;
    wasip3::http::service::export!(Image);
}

struct Image;

impl wasip3::exports::http::handler::Guest for Image {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let fields = request.get_headers();
        let method = method_name(request.get_method());
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        let accept = joined(&fields, "accept");
        let if_none_match = joined(&fields, "if-none-match");
        let request_id = joined(&fields, "x-request-id").unwrap_or_default();
        let reply = match Exchange::begin(&exchange::Request {
            method: &method,
            path,
            query,
            accept: accept.as_deref(),
            if_none_match: if_none_match.as_deref(),
            request_id: &request_id,
        }) {
            Ok(exchange) => answer(&exchange).await,
            Err(reply) => reply,
        };
        respond(reply, method == "HEAD")
    }
}

async fn answer(exchange: &Exchange) -> Reply {
    let Ok(response) = fetch(&exchange.source_path()).await else {
        return exchange.unreachable();
    };
    let fields = response.get_headers();
    let head = Head {
        status: response.get_status_code(),
        etag: joined(&fields, "etag"),
        cache_control: joined(&fields, "cache-control"),
        last_modified: joined(&fields, "last-modified"),
        surrogate_key: joined(&fields, "surrogate-key"),
        content_length: joined(&fields, "content-length").and_then(|text| text.parse().ok()),
    };
    drop(fields);
    if let Err(reply) = exchange.on_head(&head) {
        return reply;
    }
    match read(response, head.content_length).await {
        Ok(body) => exchange.finish(&head, body),
        Err(Broken::TooLarge) => exchange.source_too_large(),
        Err(Broken::Off) => exchange.unreachable(),
    }
}

async fn fetch(path: &str) -> Result<Response, ErrorCode> {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(UPSTREAM)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    client::send(request).await
}

/// Why a body was not read to its end.
enum Broken {
    TooLarge,
    Off,
}

async fn read(response: Response, length: Option<u64>) -> Result<Vec<u8>, Broken> {
    let (_, done) = wit_future::new(|| Ok(()));
    let (mut stream, trailers) = Response::consume_body(response, done);
    let announced = length
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(0);
    let mut body = Vec::with_capacity(announced.min(MAX_SOURCE_BYTES));
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        let (result, read) = stream.read(chunk).await;
        if body.len() + read.len() > MAX_SOURCE_BYTES {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&read);
        chunk = read;
        chunk.clear();
        match result {
            StreamResult::Complete(_) => (),
            StreamResult::Dropped | StreamResult::Cancelled => break,
        }
    }
    // A stream that ends tells nothing of why; this does.
    match trailers.await {
        Ok(_) => Ok(body),
        Err(_) => Err(Broken::Off),
    }
}

fn respond(mut reply: Reply, head_only: bool) -> Result<Response, ErrorCode> {
    if reply.status != 304 {
        let length = reply.body.len().to_string();
        reply = reply.with_header("content-length", length);
    }
    let fields: Vec<(String, Vec<u8>)> = reply
        .headers
        .into_iter()
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    let fields = Fields::from_list(&fields).map_err(|_| ErrorCode::HttpProtocolError)?;
    let (_, trailers) = wit_future::new(|| Ok(None));
    let contents = if head_only || reply.body.is_empty() {
        None
    } else {
        let (mut sender, stream) = wit_stream::new();
        wit_bindgen::spawn(async move {
            // What a client that went away did not take is of no use to anybody.
            drop(sender.write_all(reply.body).await);
        });
        Some(stream)
    };
    let (response, _sent) = Response::new(fields, contents, trailers);
    response
        .set_status_code(reply.status)
        .map_err(|()| ErrorCode::HttpProtocolError)?;
    Ok(response)
}

/// A field's lines as one (RFC 9110, section 5.3); what is not UTF-8 counts as absent.
fn joined(fields: &Fields, name: &str) -> Option<String> {
    let lines = fields.get(name);
    let lines: Vec<&str> = lines
        .iter()
        .filter_map(|line| str::from_utf8(line).ok())
        .collect();
    if lines.is_empty() {
        None
    } else {
        Some(lines.join(", "))
    }
}

fn method_name(method: Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(name) => name,
    }
}
