//! What is counted and logged of a request, once, whatever becomes of it.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use http::{HeaderValue, Method, Response, Uri, Version, header};
use http_body::Body as _;

use super::outgoing::Outgoing;
use crate::access_log::Entry;
use crate::body::Body;
use crate::connection::Connection;
use crate::metrics::Count;
use crate::setup::Setup;
use crate::worker::Worker;

/// The status logged for a request whose client left before there was an answer, as nginx has it.
const CLIENT_LEFT: u16 = 499;

/// The record of one request.
pub(super) struct Record {
    worker: Rc<Worker>,
    setup: Rc<Setup>,
    connection: Rc<Connection>,
    started: Instant,
    method: Method,
    target: Uri,
    version: Version,
    id: Arc<str>,
    cache: Option<String>,
    written: bool,
    pub(super) authority: Arc<str>,
    pub(super) client: IpAddr,
    pub(super) route: Option<usize>,
    pub(super) upstream: Option<Duration>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Record {
    pub(super) fn new(
        worker: Rc<Worker>,
        setup: Rc<Setup>,
        connection: Rc<Connection>,
        parts: &Parts,
        id: Arc<str>,
    ) -> Self {
        connection.enter();
        let authority = Arc::clone(&worker.no_authority);
        let client = connection.peer;
        Self {
            worker,
            setup,
            connection,
            started: Instant::now(),
            method: parts.method.clone(),
            target: parts.uri.clone(),
            version: parts.version,
            id,
            cache: None,
            written: false,
            authority,
            client,
            route: None,
            upstream: None,
        }
    }

    /// Hands an answer to hyper; the record is written when the last byte of its body is known.
    pub(super) fn send(mut self, mut response: Response<Body>) -> Response<Outgoing> {
        let tls = self
            .worker
            .node
            .tls
            .as_ref()
            .filter(|_| self.connection.tls);
        if let Some(alt_svc) = tls.and_then(|tls| tls.alt_svc.as_ref()) {
            let headers = response.headers_mut();
            headers.insert(http::header::ALT_SVC, alt_svc.clone());
        }
        let status = response.status().as_u16();
        if self.worker.is_leaving() && self.connection.http1 && status != 101 {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if self.worker.log.is_some() {
            self.cache = response.headers().get("cache-status").and_then(cache_word);
        }
        response.map(|body| match body {
            Body::Empty | Body::Full(_) => {
                let sent = if self.is_bodiless(status) {
                    0
                } else {
                    body.size_hint().lower()
                };
                self.finish(status, sent, false);
                Outgoing::Whole(body)
            }
            body => Outgoing::streaming(body, self, status),
        })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether an answer of this status to this request has no body on the wire.
    pub(super) fn is_bodiless(&self, status: u16) -> bool {
        self.method == Method::HEAD || matches!(status, 204 | 304)
    }

    /// Writes the record.
    pub(super) fn finish(mut self, status: u16, bytes: u64, aborted: bool) {
        self.write(status, bytes, aborted);
    }

    fn write(&mut self, status: u16, bytes: u64, aborted: bool) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let took = self.started.elapsed();
        let worker = &self.worker;
        self.setup.counts(self.route).answered(status, took, bytes);
        self.connection.leave();
        let Some(log) = &worker.log else { return };
        let dropped = log.borrow_mut().add(&Entry {
            at: SystemTime::now(),
            id: &self.id,
            client: self.client,
            method: self.method.as_str(),
            host: &self.authority,
            target: self
                .target
                .path_and_query()
                .map_or("", http::uri::PathAndQuery::as_str),
            protocol: match self.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2",
                Version::HTTP_3 => "HTTP/3",
                _ => "HTTP/1.1",
            },
            route: self
                .route
                .map_or("-", |route| &self.setup.routes[route].name),
            status,
            bytes,
            took,
            upstream: self.upstream,
            cache: self.cache.as_deref(),
            aborted,
        });
        worker.metrics.add(Count::LogDropped, dropped);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write(CLIENT_LEFT, 0, true);
    }
}

/// `hit`, or why the request went on, out of this node's entry in `Cache-Status`, its last one.
fn cache_word(value: &http::HeaderValue) -> Option<String> {
    let entry = value.to_str().ok()?.rsplit(',').next()?;
    entry
        .split(';')
        .map(str::trim)
        .find_map(|parameter| match parameter.strip_prefix("fwd=") {
            Some(why) => Some(why.to_owned()),
            None => (parameter == "hit").then(|| "hit".to_owned()),
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_log_says_in_a_word_what_the_cache_did() {
        let word = |text| cache_word(&HeaderValue::from_static(text));
        assert_eq!(word("Zephyr; hit; ttl=30").as_deref(), Some("hit"));
        assert_eq!(
            word("origin; hit, Zephyr; fwd=uri-miss; stored").as_deref(),
            Some("uri-miss")
        );
        assert_eq!(word("Zephyr"), None);
    }
}
