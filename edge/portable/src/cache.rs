//! The shared cache over a host's store: the decisions are `zephyr-cache`'s, as on the node.
//!
//! What differs from the node's own store, because of what these hosts can do:
//!
//! * An answer lies under the hash of its key. One that depends on request fields (`Vary`) lies under
//!   the hash of the key and of those fields' values; under the key itself lie the fields' names
//!   ([`place`]).
//! * Of an answer of which a part is stored (206) there is that one part.
//! * Requests for the same thing do not wait for each other: no such host lets one request wait for
//!   another one's I/O.
//! * A purge marks names with a version ([`Marks`]); an answer remembers the version at which its
//!   fetch began, and is gone when one of its names was marked since.

mod forward;
mod give;
mod head;
mod keep;
mod marks;
mod place;
mod record;
mod write;

use std::time::Duration;

use http::{HeaderMap, Method};
use zephyr_cache::{Look, RequestDirectives, Status, Way, answer, reuse, way};
use zephyr_edge_pipeline::stages::Answer;
use zephyr_edge_pipeline::{Exchange, ProxyError};

pub use marks::{Dropped, Marks};
pub use record::{Meta, Record};

use crate::edge::Edge;
use crate::platform::{HostBody, Platform};
use place::Place;

type Served<P> = Result<Answer<<P as Platform>::Body>, ProxyError>;

/// A stored answer that was found.
struct Found<B> {
    /// Where it lies.
    at: String,
    meta: Box<Meta>,
    body: B,
}

/// What is sent on for.
struct Errand<B> {
    place: Place,
    /// Why, as `Cache-Status` says it.
    reason: &'static str,
    /// A stored answer to ask about.
    validate: Option<Found<B>>,
}

/// When a trip was made.
#[derive(Clone, Copy)]
struct Trip {
    /// The version of the marks when it began.
    began: u64,
    asked: Duration,
    arrived: Duration,
}

impl<P: Platform> Edge<P> {
    /// Answers a request from the store or from the route's target.
    pub(crate) async fn serve(&self, route: usize, x: &mut Exchange, body: P::Body) -> Served<P> {
        let request = &x.request;
        match way::of(
            &request.method,
            &request.headers,
            &x.cache,
            !body.is_empty(),
        ) {
            Way::Look => {}
            Way::Pass { reason, detail } => {
                return self.pass(route, x, body, reason, detail.as_deref()).await;
            }
            Way::Write { reason, detail } => {
                return self.write(route, x, body, reason, detail.as_deref()).await;
            }
        }
        let directives = RequestDirectives::of(&x.request.headers);
        let place = Place::of(x);
        let marks = self.platform().marks().await;
        let (method, headers) = (&x.request.method, &x.request.headers);
        let (reason, validate) = match self.find(&place, method, headers, &marks).await {
            Err(reason) => (reason, None),
            Ok(found) => {
                let now = self.platform().now();
                let backs_off = self.backs_off(&found.at, now);
                match reuse::look(&found.meta.freshness, &directives, now, backs_off) {
                    Look::Give { refresh, detail } => {
                        let status = Status {
                            hit: true,
                            ttl: Some(found.meta.freshness.ttl(now)),
                            detail,
                            ..Status::default()
                        };
                        if refresh {
                            self.refresh(route, x, &place, &found.at);
                        }
                        return give::give::<P>(x, found, now, &status).await;
                    }
                    Look::Validate(reason) => (reason, Some(found)),
                }
            }
        };
        if directives.only_if_cached {
            return Err(ProxyError::not_stored());
        }
        let errand = Errand {
            place,
            reason,
            // With `no-store`, what comes changes nothing that is stored (RFC 9111, section 5.2.1.5).
            validate: validate.filter(|_| !directives.no_store),
        };
        if x.request.method == Method::HEAD {
            return self.head(route, x, errand, &marks).await;
        }
        self.forward(route, x, errand, &marks).await
    }

    /// The stored answer for a request, or why there is none.
    async fn find(
        &self,
        place: &Place,
        method: &Method,
        request: &HeaderMap,
        marks: &Marks,
    ) -> Result<Found<P::Body>, &'static str> {
        let nothing = "uri-miss";
        let (at, record, body, reason) = match self.platform().load(&place.base).await {
            None => return Err(nothing),
            Some((Record::Vary(names), _)) => {
                let at = place.variant(&place::selection(&names, request));
                let other = "vary-miss";
                let (record, body) = self.platform().load(&at).await.ok_or(other)?;
                (at, record, body, other)
            }
            Some((record, body)) => (place.base.clone(), record, body, nothing),
        };
        match record {
            Record::Answer(meta) if marks.alive(&meta.names, meta.began) => {
                if !meta.has(method, request) {
                    // RFC 9211, section 2.2.
                    return Err("partial");
                }
                Ok(Found { at, meta, body })
            }
            _ => Err(reason),
        }
    }

    /// A request that the cache has nothing to do with.
    async fn pass(
        &self,
        route: usize,
        x: &mut Exchange,
        body: P::Body,
        reason: &'static str,
        detail: Option<&str>,
    ) -> Served<P> {
        let headers = x.request.headers.clone();
        let (mut parts, body) = self.trip(route, x, headers, body).await?;
        let status = Status {
            forward: Some(reason),
            forward_status: Some(parts.status.as_u16()),
            detail,
            ..Status::default()
        };
        answer::strip(&mut parts.headers);
        answer::tell(&mut parts.headers, &status);
        Ok((parts, body))
    }

    /// Refreshes a stored answer behind the client's back, unless somebody does already.
    fn refresh(&self, route: usize, x: &Exchange, place: &Place, at: &str) {
        if !self.begin_refresh(at) {
            return;
        }
        let (edge, mut x) = (self.clone(), x.fork());
        let (place, at) = (place.clone(), at.to_owned());
        self.platform().detach(Box::pin(async move {
            let marks = edge.platform().marks().await;
            let (method, headers) = (&x.request.method, &x.request.headers);
            let found = edge.find(&place, method, headers, &marks).await;
            let errand = Errand {
                place,
                reason: "stale",
                validate: found.ok(),
            };
            if let Err(error) = edge.forward(route, &mut x, errand, &marks).await {
                let id = &*x.id;
                tracing::warn!(request.id = id, %error, "a stale answer could not be refreshed: {error}");
            }
            edge.end_refresh(&at);
        }));
    }
}
