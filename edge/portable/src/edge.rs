//! The way of a request through a host that links the policies in.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use zephyr_edge_pipeline::admission::{self, Peer, Refusal};
use zephyr_edge_pipeline::stages::{self, Answer};
use zephyr_edge_pipeline::{Exchange, ProxyError, Source, fields, forwarded};

use crate::linked::Stage;
use crate::platform::{HostBody, Platform};
use crate::site::{Route, Site, Target};

/// Marks a request that becomes a tunnel (a WebSocket's handshake) in its extensions. Filters see it
/// like any other; no cache does. What makes it a tunnel is the host's own business.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel;

/// Who sent a request, as the host tells it.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The address.
    pub address: IpAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Whether it is a proxy of [`Site`]'s `trusted_proxies`.
    trusted: bool,
}

impl Client {
    /// A client by its address, over `scheme`.
    #[must_use]
    pub fn new(site: &Site, address: IpAddr, scheme: &'static str) -> Self {
        let address = address.to_canonical();
        let mut proxies = site.trusted_proxies.iter();
        Self {
            address,
            scheme,
            trusted: proxies.any(|network| network.contains(address)),
        }
    }
}

impl Peer for Client {
    fn address(&self) -> IpAddr {
        self.address
    }

    fn trusted(&self) -> bool {
        self.trusted
    }

    /// The host has read the head: what it made of it has an authority.
    fn http1(&self) -> bool {
        false
    }

    fn scheme(&self) -> &'static str {
        self.scheme
    }
}

/// The edge on a host. Cheap to clone.
#[derive(Debug)]
pub struct Edge<P>(Rc<Inner<P>>);

#[derive(Debug)]
struct Inner<P> {
    site: Rc<Site>,
    memory: Rc<Memory>,
    platform: P,
}

/// What requests of one instance tell each other: nothing that must not be lost.
#[derive(Debug, Default)]
pub struct Memory {
    /// Stored answers whose upstream has failed, and until when it is left alone.
    backs_off: RefCell<HashMap<String, Duration>>,
    /// Stored answers that somebody refreshes, and since when.
    refreshing: RefCell<HashMap<String, Duration>>,
}

impl<P> Clone for Edge<P> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// For how long an upstream that failed is left alone.
const BACK_OFF: Duration = Duration::from_secs(2);
/// A refresh that has taken longer than this is not waited for any more: these hosts may drop what
/// goes on behind a client's back without a word.
const REFRESH: Duration = Duration::from_secs(30);
/// Entries of each kind that are remembered.
const MAX_REMEMBERED: usize = 1024;

impl<P: Platform> Edge<P> {
    /// An edge for a site on a host.
    pub fn new(site: Rc<Site>, memory: Rc<Memory>, platform: P) -> Self {
        Self(Rc::new(Inner {
            site,
            memory,
            platform,
        }))
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// The host.
    #[must_use]
    pub fn platform(&self) -> &P {
        &self.0.platform
    }

    /// Answers a request. What goes wrong is an answer too.
    pub async fn answer(&self, client: Client, request: Request<P::Body>) -> Response<P::Body> {
        let (mut parts, body) = request.into_parts();
        let id = self.make_id();
        let admitted = self
            .check_size(&parts, &body)
            .and_then(|()| admission::admit(&mut parts, &client, &self.site().trusted_proxies));
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return refused(&refusal, &id),
        };
        let path = parts.uri.path();
        let Some(index) = self.site().table.find(&admitted.authority, path) else {
            let refusal = Refusal::new(StatusCode::NOT_FOUND, "There is nothing here.");
            return refused(&refusal, &id);
        };
        let route = &self.site().routes[index];
        let x = Box::new(Exchange::new(id, admitted, Arc::clone(&route.name), parts));
        let stages: Vec<_> = self.stages(route).collect();
        let answerer = Answerer { edge: self, index };
        let (_, (mut parts, body)) = stages::run(&stages, route.phases, x, body, &answerer).await;
        // These hosts frame answers themselves and keep their connections to themselves.
        parts.headers.remove(header::CONNECTION);
        Response::from_parts(parts, body)
    }

    fn stages<'a>(&'a self, route: &'a Route) -> impl Iterator<Item = Stage<'a, P>> {
        route.stages.iter().map(|linked| Stage {
            linked,
            platform: self.platform(),
        })
    }

    /// The bounds of `[listen]`, for hosts that have bounds of their own and larger ones.
    fn check_size(&self, parts: &Parts, body: &P::Body) -> Result<(), Refusal> {
        let site = self.site();
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + 4
        };
        let bytes: usize = parts.headers.iter().map(field).sum();
        if parts.headers.len() > site.max_headers || bytes > site.max_header_bytes {
            let detail = "The request's head is larger than this server takes.";
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Refusal::new(status, detail));
        }
        let told = parts.headers.get(header::CONTENT_LENGTH);
        let told = told.and_then(|told| told.to_str().ok()?.parse().ok());
        if body.length().max(told).unwrap_or(0) > site.max_body_bytes {
            let detail = "The request's body is larger than this server takes.";
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        Ok(())
    }

    /// A request id: a UUID of version 7 (RFC 9562, section 5.7).
    fn make_id(&self) -> Arc<str> {
        let mut random = [0; 10];
        self.platform().fill(&mut random);
        let millis = u64::try_from(self.platform().now().as_millis()).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        id.hyphenated().to_string().into()
    }

    /// One trip to a route's target, filters of the phase on-upstream included.
    pub(crate) async fn trip(
        &self,
        index: usize,
        x: &mut Exchange,
        headers: HeaderMap,
        body: P::Body,
    ) -> Result<Answer<P::Body>, ProxyError> {
        let route = &self.site().routes[index];
        let upstream = match &route.target {
            Target::Upstream(upstream) => upstream,
            Target::Service(name) => {
                let detail = "This host does not run the component that answers here.";
                return Err(
                    ProxyError::new(Source::Edge, StatusCode::NOT_IMPLEMENTED, detail)
                        .with_cause(format!("service {name}")),
                );
            }
            Target::Files => {
                let detail = "This host does not have the files that are served here.";
                return Err(ProxyError::new(
                    Source::Edge,
                    StatusCode::NOT_IMPLEMENTED,
                    detail,
                ));
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = x.request.method.clone();
        *request.uri_mut() = x.request.uri.clone();
        *request.headers_mut() = headers;
        *request.extensions_mut() = x.request.extensions.clone();
        forwarded::dress(x, request.headers_mut());
        let (mut parts, body) = self.platform().fetch(upstream, request).await?.into_parts();
        fields::remove_hop_by_hop(&mut parts.headers);
        if route.phases.upstream {
            let stages: Vec<_> = self.stages(route).collect();
            return Ok(stages::on_upstream(&stages, x, (parts, body)).await);
        }
        Ok((parts, body))
    }

    /// Notes that the upstream has failed to answer for a stored answer.
    pub(crate) fn upstream_failed(&self, key: &str, now: Duration) {
        note(
            &mut self.0.memory.backs_off.borrow_mut(),
            key,
            now + BACK_OFF,
        );
    }

    /// Whether it has failed just now.
    pub(crate) fn backs_off(&self, key: &str, now: Duration) -> bool {
        let until = self.0.memory.backs_off.borrow().get(key).copied();
        // A clock set back must not make it longer.
        until.is_some_and(|until| now < until && until - now <= BACK_OFF)
    }

    /// Takes on the refresh of a stored answer; false when somebody has.
    pub(crate) fn begin_refresh(&self, key: &str) -> bool {
        let now = self.platform().now();
        let mut refreshing = self.0.memory.refreshing.borrow_mut();
        let since = refreshing.get(key);
        if since.is_some_and(|since| *since <= now && now - *since < REFRESH) {
            return false;
        }
        note(&mut refreshing, key, now);
        true
    }

    /// A refresh is over.
    pub(crate) fn end_refresh(&self, key: &str) {
        self.0.memory.refreshing.borrow_mut().remove(key);
    }
}

fn note(entries: &mut HashMap<String, Duration>, key: &str, at: Duration) {
    if entries.len() >= MAX_REMEMBERED {
        entries.clear();
    }
    entries.insert(key.to_owned(), at);
}

fn refused<B: From<Bytes>>(refusal: &Refusal, id: &str) -> Response<B> {
    let (parts, body) = stages::refuse(refusal, id);
    Response::from_parts(parts, B::from(body))
}

struct Answerer<'a, P> {
    edge: &'a Edge<P>,
    index: usize,
}

impl<P: Platform> stages::Answerer<P::Body> for Answerer<'_, P> {
    async fn answer(&self, x: &mut Exchange, body: P::Body) -> Result<Answer<P::Body>, ProxyError> {
        let route = &self.edge.site().routes[self.index];
        if route.cache && x.request.extensions.get::<Tunnel>().is_none() {
            return self.edge.serve(self.index, x, body).await;
        }
        let headers = x.request.headers.clone();
        let (mut parts, body) = self.edge.trip(self.index, x, headers, body).await?;
        parts.headers.remove(fields::SURROGATE_KEY);
        Ok((parts, body))
    }
}
