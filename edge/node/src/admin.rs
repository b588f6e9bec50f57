//! The admin port, on a thread of its own so that it answers when all workers are busy. Keep it off
//! the internet: reading needs no token, and changing needs one only where `listen.admin_token_env`
//! names it.
//!
//! * `GET /-/live` -- 200 while the process runs.
//! * `GET /-/ready` -- 200 when components are loaded and workers accept; else 503.
//! * `GET /-/metrics` -- metrics as Prometheus text.
//! * `GET /-/config` -- what is in force: routes, components, versions, as JSON.
//! * `POST /-/purge` -- drops stored answers of this node; answers with a receipt.
//! * `POST /-/reload` -- reads the configuration again; 422 with the reason when it is refused.

mod purge;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Format};
use crate::reload::Reloader;
use crate::report;
use crate::shared::Shared;

/// For a request's head to arrive, and for idle connections.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at once; the next one waits.
const CONNECTIONS: usize = 64;

/// Serves the admin port until told to stop.
pub(crate) async fn serve(
    node: Arc<Shared>,
    reloader: Arc<Reloader>,
    token: Option<SecretString>,
    listener: TcpListener,
    stop: CancellationToken,
) {
    let admin = Arc::new(Admin {
        node,
        reloader,
        token,
    });
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            listener.accept().await.map(|(stream, _)| (place, stream))
        };
        let (place, stream) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the admin port cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let admin = Arc::clone(&admin);
        let stop = stop.clone();
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let admin = Arc::clone(&admin);
                async move { Ok::<_, Infallible>(admin.answer(request).await) }
            });
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                result = connection => if let Err(error) = result {
                    tracing::debug!(%error, "an admin connection ended early");
                },
                () = stop.cancelled() => {}
            }
        });
    }
}

/// What the admin port speaks for.
struct Admin {
    node: Arc<Shared>,
    reloader: Arc<Reloader>,
    /// With which changes are made.
    token: Option<SecretString>,
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match (path, is_read) {
            ("/-/reload" | "/-/purge", _) if request.method() == Method::POST => {
                if !self.may_change(request.headers()) {
                    return unauthorized();
                }
                match path {
                    "/-/reload" => self.reload().await,
                    _ => purge::purge(&self.node.cache, request).await,
                }
            }
            ("/-/reload" | "/-/purge", _) => not_allowed("Only POST is understood here.", "POST"),
            (_, false) => not_allowed("Only GET is understood here.", "GET, HEAD"),
            ("/-/metrics", true) => {
                let format = Format::of(request.headers());
                let body = metrics::render(&self.node, format);
                text(body, format.media_type())
            }
            (path, true) => self.read(path),
        }
    }

    /// Whether a request brings the token, if one is asked for.
    fn may_change(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let sent = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let parts = sent.and_then(|sent| sent.split_at_checked(BEARER.len()));
        let Some((scheme, sent)) = parts else {
            return false;
        };
        let token = token.expose_secret().as_bytes();
        scheme.eq_ignore_ascii_case(BEARER)
            && aws_lc_rs::constant_time::verify_slices_are_equal(sent, token).is_ok()
    }

    fn read(&self, path: &str) -> Response<Full<Bytes>> {
        let node = &*self.node;
        match path {
            "/-/live" => text("live\n", "text/plain; charset=utf-8"),
            "/-/ready" if node.ready.load(Relaxed) => text("ready\n", "text/plain; charset=utf-8"),
            "/-/ready" => problem(503, "The node is starting or stopping."),
            "/-/config" => text(report::summary(node).to_string(), "application/json"),
            _ => problem(
                404,
                "There is nothing here. Try /-/live, /-/ready, /-/metrics, /-/config.",
            ),
        }
    }

    async fn reload(&self) -> Response<Full<Bytes>> {
        if !self.reloader.can_reread() {
            let detail = "The node was not started from a file that can be read again.";
            return problem(501, detail);
        }
        match self.reloader.reread().await {
            Ok(number) => {
                let body = serde_json::json!({ "generation": number });
                text(body.to_string(), "application/json")
            }
            Err(error) => problem(422, &format!("{error:#}")),
        }
    }
}

const BEARER: &[u8] = b"Bearer ";

fn unauthorized() -> Response<Full<Bytes>> {
    let mut response = problem(401, "This takes the admin token of the node.");
    let bearer = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, bearer);
    response
}

fn not_allowed(detail: &str, allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = problem(405, detail);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn text(body: impl Into<Bytes>, media_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn problem(status: u16, detail: &str) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(
        zephyr_edge_pipeline::problem::json(status, detail, "-"),
        "application/problem+json",
    );
    *response.status_mut() = status;
    response
}
