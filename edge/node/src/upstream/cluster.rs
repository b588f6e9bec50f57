//! The servers of an upstream as they are now: one for every address of every server of the
//! configuration. A change of addresses is a new cluster, in which those that stay keep all that is
//! known of them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use zephyr_balancer::{OutlierConfig, Policy, Pool, Server, hash};
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::counts::ServerCounts;
use crate::config::{PolicyName, UpstreamConfig};

/// Addresses of one name that are used.
const MAX_ADDRESSES: usize = 64;

/// One address that can be asked.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its number among all that there have been in this process.
    pub(crate) id: u64,
    /// The server of the configuration that it belongs to.
    pub(crate) of: usize,
    pub(crate) address: SocketAddr,
    pub(crate) server: Arc<Server>,
    pub(crate) counts: ServerCounts,
}

/// All addresses that can be asked.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) pool: Pool,
    /// In the order of the pool.
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    /// Why there are none, once that is known.
    pub(super) problem: Option<ErrorType>,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Endpoint {
    fn new(of: usize, address: SocketAddr, weight: u32, joined: Option<Duration>) -> Self {
        let identity = hash(address.to_string().as_bytes());
        Self {
            id: NUMBER.fetch_add(1, Relaxed),
            of,
            address,
            server: Arc::new(Server::new(identity, weight, joined)),
            counts: ServerCounts::default(),
        }
    }
}

impl Cluster {
    /// The servers that are addresses and not names.
    pub(super) fn of_addresses(config: &UpstreamConfig) -> Self {
        let known: Vec<_> = config
            .servers
            .iter()
            .map(|server| {
                let address = server.url.host_and_port().0.parse().ok();
                address.map(|address| vec![address]).unwrap_or_default()
            })
            .collect();
        Self::next(config, &known, &[], None, None)
    }

    /// Whether it has the same servers, or the same reason for having none.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let ids = |cluster: &Self| -> Vec<u64> {
            let endpoints = cluster.endpoints.iter();
            endpoints.map(|endpoint| endpoint.id).collect()
        };
        ids(self) == ids(other) && self.problem == other.problem
    }

    /// The cluster of these addresses by server. Endpoints of `before` are kept; others have joined
    /// at the given time.
    pub(super) fn next(
        config: &UpstreamConfig,
        addresses: &[Vec<IpAddr>],
        before: &[Arc<Endpoint>],
        joined: Option<Duration>,
        problem: Option<ErrorType>,
    ) -> Self {
        let mut endpoints = Vec::new();
        for (of, (server, addresses)) in config.servers.iter().zip(addresses).enumerate() {
            let port = server.url.host_and_port().1;
            for ip in addresses.iter().take(MAX_ADDRESSES) {
                let address = SocketAddr::new(*ip, port);
                let kept = before
                    .iter()
                    .find(|endpoint| endpoint.of == of && endpoint.address == address);
                endpoints.push(match kept {
                    Some(endpoint) => Arc::clone(endpoint),
                    None => Arc::new(Endpoint::new(of, address, server.weight, joined)),
                });
            }
        }
        let servers = endpoints
            .iter()
            .map(|endpoint| Arc::clone(&endpoint.server))
            .collect();
        let policy = match config.policy {
            PolicyName::P2c => Policy::P2c,
            PolicyName::LeastConnections => Policy::LeastConnections,
            PolicyName::RingHash => Policy::RingHash,
            PolicyName::RoundRobin => Policy::RoundRobin,
        };
        let outlier = (config.outlier.max_ejected_percent > 0).then_some(OutlierConfig {
            consecutive_failures: config.outlier.consecutive_failures,
            failure_ratio: config.outlier.failure_ratio,
            min_requests: config.outlier.min_requests,
            interval: config.outlier.interval,
            base_ejection: config.outlier.base_ejection,
            max_ejection: config.outlier.max_ejection,
            max_ejected_percent: config.outlier.max_ejected_percent,
        });
        Self {
            pool: Pool::new(servers, policy, outlier, config.slow_start),
            endpoints,
            problem,
        }
    }
}
