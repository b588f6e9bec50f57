//! Sets the cache policy of a route at the edge.
