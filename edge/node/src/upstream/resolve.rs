//! Looks names up: with the name servers of the configuration or of the system, and how long what
//! they say may be used.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use zephyr_edge_pipeline::proxy_status::ErrorType;

use crate::config::Dns;

/// Who is asked.
pub(super) enum Resolver {
    /// Name servers.
    Dns(Box<TokioResolver>),
    /// Whatever the C library asks: it says nothing of lifetimes.
    System,
}

/// The addresses of a name, and how long they may be used.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) lifetime: Duration,
}

/// Why there are none.
#[derive(Debug)]
pub(super) struct NotFound {
    pub(super) kind: ErrorType,
    pub(super) why: String,
}

impl Resolver {
    /// Must be called inside a runtime.
    pub(super) fn new(config: &Dns) -> Self {
        let provider = TokioRuntimeProvider::default;
        let builder = if config.servers.is_empty() {
            TokioResolver::builder(provider())
        } else {
            let server = |address: &std::net::SocketAddr| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                NameServerConfig::new(address.ip(), true, connections.into())
            };
            let servers = config.servers.iter().map(server).collect();
            let servers = ResolverConfig::from_name_servers(servers);
            Ok(TokioResolver::builder_with_config(servers, provider()))
        };
        let resolver = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            // Lifetimes are kept by who asks, with bounds of its own.
            options.cache_size = 0;
            options.timeout = config.timeout / 2;
            builder.build()
        });
        match resolver {
            Ok(resolver) => Self::Dns(Box::new(resolver)),
            Err(error) => {
                tracing::warn!(%error, "the system's name servers are not known: {error}; names are looked up by the C library");
                Self::System
            }
        }
    }

    pub(super) async fn look_up(&self, name: &str, config: &Dns) -> Result<Found, NotFound> {
        let found = tokio::time::timeout(config.timeout, self.ask(name, config)).await;
        found.unwrap_or_else(|_| {
            Err(NotFound {
                kind: ErrorType::DnsTimeout,
                why: format!("no answer within {:?}", config.timeout),
            })
        })
    }

    async fn ask(&self, name: &str, config: &Dns) -> Result<Found, NotFound> {
        let mut found = match self {
            Self::Dns(resolver) => {
                let found = resolver.lookup_ip(name).await;
                let found = found.map_err(|error| NotFound {
                    kind: match error {
                        hickory_resolver::net::NetError::Timeout => ErrorType::DnsTimeout,
                        _ => ErrorType::DnsError,
                    },
                    why: error.to_string(),
                })?;
                let lifetime = found
                    .valid_until()
                    .saturating_duration_since(Instant::now());
                Found {
                    addresses: found.iter().collect(),
                    lifetime: lifetime.clamp(config.min_ttl, config.max_ttl.max(config.min_ttl)),
                }
            }
            Self::System => {
                let found = tokio::net::lookup_host((name, 0)).await;
                let found = found.map_err(|error| NotFound {
                    kind: ErrorType::DnsError,
                    why: error.to_string(),
                })?;
                Found {
                    addresses: found.map(|address| address.ip()).collect(),
                    lifetime: config.min_ttl.max(Duration::from_secs(30)),
                }
            }
        };
        found.addresses.sort_unstable();
        found.addresses.dedup();
        if found.addresses.is_empty() {
            return Err(NotFound {
                kind: ErrorType::DnsError,
                why: "no addresses".into(),
            });
        }
        Ok(found)
    }
}
