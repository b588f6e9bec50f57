//! What goes on behind an upstream: its names are looked up when their addresses have had their
//! time, its servers are checked, and those that fail more than the others are left out.
//!
//! Tasks hold an upstream weakly: they end when nobody uses it any more.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::resolve::{Found, NotFound, Resolver};
use super::{Upstream, health};
use crate::config::{Config, Dns};

/// Makes the upstreams of a configuration. One that is as it is among `running` is that one, with
/// its counters and, by them, the workers' open connections to it. What goes on behind the others
/// runs on the current runtime.
///
/// # Errors
///
/// A certificate or key that cannot be read.
pub(crate) fn start(
    config: &Config,
    running: Option<(&Dns, &[Arc<Upstream>])>,
) -> anyhow::Result<Vec<Arc<Upstream>>> {
    let running = match running {
        Some((dns, running)) if *dns == config.dns => running,
        _ => &[],
    };
    let mut upstreams = Vec::new();
    let mut made = Vec::new();
    for (name, upstream) in &config.upstreams {
        let known = running.iter().find(|known| *known.name == **name);
        if let Some(known) = known.filter(|known| known.config == *upstream) {
            upstreams.push(Arc::clone(known));
            continue;
        }
        let new = Upstream::new(name, upstream.clone());
        let new = Arc::new(new.with_context(|| format!("upstream {name:?}"))?);
        made.push(Arc::clone(&new));
        upstreams.push(new);
    }
    let runtime = Handle::try_current()?;
    for upstream in &made {
        if named(upstream).next().is_some() {
            let dns = config.dns.clone();
            drop(runtime.spawn(follow_names(Arc::downgrade(upstream), dns)));
        }
        if let Some(check) = upstream.config.health.clone() {
            drop(runtime.spawn(health::run(Arc::downgrade(upstream), check)));
        }
        drop(runtime.spawn(look_at_shares(Arc::downgrade(upstream))));
    }
    Ok(upstreams)
}

/// Servers that have names, and the names.
fn named(upstream: &Upstream) -> impl Iterator<Item = (usize, &str)> {
    let servers = upstream.config.servers.iter().enumerate();
    servers.filter_map(|(index, server)| {
        let host = server.url.host_and_port().0;
        host.parse::<IpAddr>().is_err().then_some((index, host))
    })
}

async fn look_at_shares(upstream: Weak<Upstream>) {
    loop {
        let Some(interval) = upstream.upgrade().map(|up| up.config.outlier.interval) else {
            return;
        };
        tokio::time::sleep(interval).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let (cluster, name) = (upstream.cluster.load_full(), &upstream.name);
        match cluster.pool.look(upstream.now()) {
            0 => {}
            ejected => tracing::warn!(
                upstream = &**name,
                "upstream {name}: {ejected} servers fail more than the others and are left out for a while"
            ),
        }
    }
}

async fn follow_names(upstream: Weak<Upstream>, dns: Dns) {
    let Some(first) = upstream.upgrade() else {
        return;
    };
    let resolver = Resolver::new(&dns);
    let now = Instant::now();
    // When each is looked up next; addresses never are.
    let mut due: Vec<Option<Instant>> = vec![None; first.config.servers.len()];
    for (index, _) in named(&first) {
        due[index] = Some(now);
    }
    let literal = |server: &crate::config::ServerConfig| server.url.host_and_port().0.parse().ok();
    let servers = first.config.servers.iter();
    let mut addresses: Vec<Vec<IpAddr>> = servers
        .map(|server| literal(server).into_iter().collect())
        .collect();
    drop(first);
    loop {
        let Some(next) = due.iter().flatten().min().copied() else {
            return;
        };
        tokio::time::sleep_until(next).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let now = Instant::now();
        let look_ups = named(&upstream)
            .filter(|(index, _)| due[*index].is_some_and(|due| due <= now))
            .map(|(index, name)| {
                let found = resolver.look_up(name, &dns);
                async move { (index, name, found.await) }
            });
        let mut problem = None;
        for (index, name, found) in futures_util::future::join_all(look_ups).await {
            let lifetime = match found {
                Ok(Found {
                    addresses: found,
                    lifetime,
                }) => {
                    addresses[index] = found;
                    lifetime
                }
                Err(NotFound { kind, why }) => {
                    // What was good last is better than nothing: addresses change less often than
                    // name servers fail.
                    let kept = addresses[index].len();
                    upstream.counts.dns_errors.fetch_add(1, Relaxed);
                    tracing::warn!(
                        upstream = &*upstream.name,
                        name,
                        "{name} cannot be resolved ({why}); {kept} addresses are kept"
                    );
                    problem = Some(kind);
                    dns.retry
                }
            };
            due[index] = Some(Instant::now() + lifetime);
        }
        let before = upstream.cluster.load_full();
        let joined = (!before.endpoints.is_empty()).then(|| upstream.now());
        let next = Cluster::next(
            &upstream.config,
            &addresses,
            &before.endpoints,
            joined,
            problem,
        );
        if !next.same_as(&before) {
            upstream.replace(next);
        }
    }
}
