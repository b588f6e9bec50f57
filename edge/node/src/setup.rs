//! What one worker serves with under one configuration: its pools, its trips, hyper's settings.
//! A request holds on to the setup it began with; a reload puts the next one in its place.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};

use crate::cache::Fetch;
use crate::connection::{self, LocalExecutor};
use crate::generation::Generation;
use crate::metrics::{RouteCounts, Shard};
use crate::pipeline::Trip;
use crate::upstream::Pools;

/// What one worker serves with under one configuration; the configuration itself by `Deref`.
pub(crate) struct Setup {
    generation: Arc<Generation>,
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<LocalExecutor>,
    /// By route.
    pub(crate) trips: Vec<RouteTrip>,
    pub(crate) pools: Arc<Pools>,
    /// By route; the last is of requests that match none.
    counts: Vec<Arc<RouteCounts>>,
}

/// Trips to the target of one route, for the pipeline and for the cache.
pub(crate) struct RouteTrip {
    pub(crate) direct: Rc<Trip>,
    pub(crate) fetch: Rc<dyn Fetch>,
}

impl Setup {
    /// Pools of upstreams that both generations have are the previous setup's.
    pub(crate) fn new(
        generation: Arc<Generation>,
        metrics: &Shard,
        previous: Option<&Self>,
    ) -> Self {
        let pools = previous.map(|previous| &*previous.pools);
        let pools = Arc::new(Pools::new(&generation.upstreams, pools));
        let trips = (0..generation.routes.len())
            .map(|route| {
                let trip = Trip::new(Arc::clone(&generation), Arc::clone(&pools), route);
                let direct = Rc::new(trip);
                let fetch = Rc::clone(&direct) as Rc<dyn Fetch>;
                RouteTrip { direct, fetch }
            })
            .collect();
        let listen = &generation.config.listen;
        Self {
            http1: connection::http1_builder(listen),
            http2: connection::http2_builder(listen),
            trips,
            pools,
            counts: metrics.of_routes(generation.routes.iter().map(|route| &route.name)),
            generation,
        }
    }

    /// The counts of a route, or of requests that match none.
    pub(crate) fn counts(&self, route: Option<usize>) -> &Arc<RouteCounts> {
        let last = self.counts.len() - 1;
        &self.counts[route.unwrap_or(last).min(last)]
    }
}

impl Deref for Setup {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.generation
    }
}
