//! A route's pipeline: filters that are components, around the cache and the target. The order in
//! which filters are asked is the same on all hosts and stands in `zephyr_edge_pipeline::stages`.

mod route;
mod trip;

use zephyr_edge_core::Phases;
use zephyr_edge_pipeline::stages;

pub(crate) use route::{LoadedComponent, Route, Stage, Target};
pub(crate) use trip::{TakesTrailers, Trip, UpstreamTime};

use crate::body::Body;
use crate::config::OnError;
use crate::error::ProxyError;
use crate::exchange::Exchange;
use crate::setup::RouteTrip;
use crate::tunnel::Wish;
use crate::wasm::{Phase, StageError, Verdict};
use crate::worker::Worker;

/// An answer on its way to the client.
pub(crate) type Answer = stages::Answer<Body>;

/// Runs a request through a route.
pub(crate) async fn run(
    worker: &Worker,
    route: &Route,
    trip: &RouteTrip,
    x: Box<Exchange>,
    body: Body,
) -> (Box<Exchange>, Answer) {
    let answerer = Answerer {
        worker,
        route,
        trip,
    };
    stages::run(&route.stages, route.phases, x, body, &answerer).await
}

/// The cache before the target, or the target alone.
struct Answerer<'a> {
    worker: &'a Worker,
    route: &'a Route,
    trip: &'a RouteTrip,
}

impl stages::Answerer<Body> for Answerer<'_> {
    async fn answer(&self, x: &mut Exchange, body: Body) -> Result<Answer, ProxyError> {
        if let Some(wish) = x.request.extensions.get::<Wish>().cloned() {
            return Box::pin(self.trip.direct.upgrade(x, &wish)).await;
        }
        if let Some(compress) = &self.route.compress {
            compress.settle(x);
        }
        if self.route.cache {
            let cache = &self.worker.node.cache;
            cache.serve(x, body, &self.trip.fetch).await
        } else {
            self.trip.direct.without_cache(x, body).await
        }
    }
}

impl stages::Stage for Stage {
    type Failure = StageError;

    fn name(&self) -> &str {
        self.filter.name()
    }

    fn phases(&self) -> Phases {
        self.phases
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    async fn call(
        &self,
        phase: Phase,
        x: Box<Exchange>,
    ) -> (Box<Exchange>, Result<Verdict, StageError>) {
        // Boxed, so that a request without filters does not carry the room for this: what a request's
        // future has room for is copied when it starts.
        Box::pin(self.filter.call(phase, x)).await
    }
}
