//! One trip to a route's target: the request is dressed for it, sent, and the filters of the phase
//! `on-upstream` see the answer before anyone else does. The cache makes trips for misses and for
//! refreshes in the background; a route without a cache makes one for every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};

use zephyr_edge_pipeline::stages;

use super::{Answer, Target};
use crate::body::Body;
use crate::cache::Fetch;
use crate::content;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;
use crate::fields;
use crate::forwarded;
use crate::generation::Generation;
use crate::spin;
use crate::tunnel::Wish;
use crate::upstream::{self, Pools, send};
use crate::wasm::{ServiceComponent, StageError};

/// How long the target took, left in the extensions of the exchange's request for the access log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpstreamTime(pub(crate) Duration);

/// Trips to the target of one route, from one worker.
#[derive(Debug)]
pub(crate) struct Trip {
    generation: Arc<Generation>,
    pools: Arc<Pools>,
    route: usize,
}

impl Trip {
    pub(crate) fn new(generation: Arc<Generation>, pools: Arc<Pools>, route: usize) -> Self {
        Self {
            generation,
            pools,
            route,
        }
    }

    /// The trip of a request that no cache looks at.
    pub(crate) async fn without_cache(
        &self,
        x: &mut Exchange,
        body: Body,
    ) -> Result<Answer, ProxyError> {
        let phases = self.generation.routes[self.route].phases;
        let mut request = Request::new(body);
        *request.method_mut() = x.request.method.clone();
        *request.uri_mut() = x.request.uri.clone();
        *request.headers_mut() = if phases.upstream || phases.response {
            x.request.headers.clone()
        } else {
            // Nobody looks at them any more.
            std::mem::take(&mut x.request.headers)
        };
        let (mut parts, body) = self.make(x, request).await?.into_parts();
        parts.headers.remove(fields::SURROGATE_KEY);
        Ok((parts, body))
    }

    /// The trip of a request that asks for another protocol. No cache looks at it.
    pub(crate) async fn upgrade(
        &self,
        x: &mut Exchange,
        wish: &Wish,
    ) -> Result<Answer, ProxyError> {
        let route = &self.generation.routes[self.route];
        let Target::Upstream(upstream) = &route.target else {
            return self.without_cache(x, Body::Empty).await;
        };
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = x.request.uri.clone();
        *request.headers_mut() = x.request.headers.clone();
        forwarded::dress(x, request.headers_mut());
        wish.ask(request.headers_mut());
        let started = Instant::now();
        let result = upstream::upgrade(self.pools.of(*upstream), x.client, request).await;
        x.request.extensions.insert(UpstreamTime(started.elapsed()));
        let answer = result?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            wish.check_answer(answer.headers())?;
        }
        let mut answer = answer.into_parts();
        if route.phases.upstream {
            answer = stages::on_upstream(&route.stages, x, answer).await;
        }
        answer.0.headers.remove(fields::SURROGATE_KEY);
        Ok(answer)
    }

    async fn make(
        &self,
        x: &mut Exchange,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let route = &self.generation.routes[self.route];
        forwarded::dress(x, request.headers_mut());
        if let Some(trigger) = &route.spin {
            spin::dress(trigger, x, request.headers_mut());
        }
        let asked = route.compress.as_ref();
        let asked = asked.map(|compress| (compress, compress.ask(x, &mut request)));
        let started = Instant::now();
        let result = match &route.target {
            Target::Upstream(upstream) => {
                ask_for_trailers(x, request.headers_mut());
                send(self.pools.of(*upstream), Some(x.client), request).await
            }
            Target::Service(service) => serve(service, x, request).await,
            Target::Files(files) => content::serve(files, x, &request).await,
        };
        x.request.extensions.insert(UpstreamTime(started.elapsed()));
        let mut answer = result?;
        if route.phases.upstream {
            let (parts, body) = stages::on_upstream(&route.stages, x, answer.into_parts()).await;
            answer = Response::from_parts(parts, body);
        }
        match asked {
            Some((compress, asked)) => compress.apply(asked, answer).await,
            None => Ok(answer),
        }
    }
}

/// The client takes trailers, left in the extensions of the exchange's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakesTrailers;

/// `TE` is the connection's own, so the node says it again for a client that said it (RFC 9110,
/// section 10.1.4), with the option that HTTP/1.1 asks for.
fn ask_for_trailers(x: &Exchange, headers: &mut HeaderMap) {
    if x.request.extensions.get::<TakesTrailers>().is_some() {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
}

#[async_trait::async_trait(?Send)]
impl Fetch for Trip {
    async fn fetch(
        &self,
        x: &mut Exchange,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        self.make(x, request).await
    }
}

/// Has a service component answer.
async fn serve(
    service: &ServiceComponent,
    x: &Exchange,
    mut request: Request<Body>,
) -> Result<Response<Body>, ProxyError> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let authority = if x.authority.is_empty() {
        "localhost"
    } else {
        &x.authority
    };
    let uri = http::Uri::builder()
        .scheme(x.scheme)
        .authority(authority)
        .path_and_query(target);
    *request.uri_mut() = uri.build().map_err(|error| {
        let detail = "The request's target is not one that a component can be given.";
        ProxyError::new(Source::Client, StatusCode::BAD_REQUEST, detail).with_cause(error)
    })?;
    let mut response = service.call(request).await.map_err(|error| {
        let (status, detail) = match &error {
            StageError::Deadline(_) => (
                StatusCode::GATEWAY_TIMEOUT,
                "The component did not answer in time.",
            ),
            StageError::Saturated => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The component has too much to do.",
            ),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "The component failed."),
        };
        ProxyError::new(Source::Edge, status, detail)
            .with_cause(format!("component {}: {error}", service.name()))
    })?;
    if response.status().is_informational() {
        let detail = "The component failed.";
        return Err(
            ProxyError::new(Source::Edge, StatusCode::INTERNAL_SERVER_ERROR, detail).with_cause(
                format!("component {}: informational status", service.name()),
            ),
        );
    }
    fields::remove_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(header::HOST);
    Ok(response)
}
