//! Checks of servers in the background. A server that fails so many in a row is not asked until it
//! has passed so many in a row.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures_util::StreamExt as _;
use http::{HeaderValue, Request, header};

use super::connect::{self, Made};
use super::form::to_http2;
use super::{Endpoint, Upstream, count, failure};
use crate::body::Body;
use crate::config::{HealthCheck, HealthKind};

/// Checks of one upstream at once.
const AT_ONCE: usize = 16;

/// Checks all servers once an interval.
pub(super) async fn run(upstream: Weak<Upstream>, check: HealthCheck) {
    // Good checks in a row; bad ones below zero.
    let mut rows: HashMap<u64, i64> = HashMap::new();
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let cluster = upstream.cluster.load_full();
        let endpoints: Vec<Arc<Endpoint>> = cluster.endpoints.clone();
        rows.retain(|id, _| endpoints.iter().any(|endpoint| endpoint.id == *id));
        let checks = endpoints.into_iter().map(|endpoint| {
            let (upstream, check) = (&upstream, &check);
            async move {
                let outcome = tokio::time::timeout(check.timeout, ask(upstream, &endpoint, check));
                let outcome = outcome
                    .await
                    .unwrap_or_else(|_| Err("no answer in time".into()));
                (endpoint, outcome)
            }
        });
        let mut outcomes = futures_util::stream::iter(checks).buffer_unordered(AT_ONCE);
        while let Some((endpoint, outcome)) = outcomes.next().await {
            let row = rows.entry(endpoint.id).or_default();
            judge(&upstream, &endpoint, &check, row, outcome);
        }
    }
}

fn judge(
    upstream: &Upstream,
    endpoint: &Endpoint,
    check: &HealthCheck,
    row: &mut i64,
    outcome: Result<(), String>,
) {
    let good = outcome.is_ok();
    count(&endpoint.counts.checks[usize::from(!good)]);
    *row = match good {
        true => row.max(&mut 0).saturating_add(1),
        false => row.min(&mut 0).saturating_sub(1),
    };
    let (name, address) = (&upstream.name, endpoint.address);
    let healthy = endpoint.server.is_healthy();
    if !healthy && *row >= i64::from(check.healthy_threshold) {
        tracing::info!(upstream = &**name, %address, "upstream {name}: {address} is healthy again");
        endpoint.server.set_healthy(true, upstream.now());
    } else if healthy && *row <= -i64::from(check.unhealthy_threshold) {
        let why = outcome.err().unwrap_or_default();
        tracing::warn!(upstream = &**name, %address, "upstream {name}: {address} is not healthy: {why}");
        endpoint.server.set_healthy(false, upstream.now());
    }
}

async fn ask(upstream: &Upstream, endpoint: &Endpoint, check: &HealthCheck) -> Result<(), String> {
    if check.kind == HealthKind::Tcp {
        let made = connect::tcp(endpoint).await;
        return made.map(drop).map_err(|error| error.to_string());
    }
    let origin = &upstream.config.servers[endpoint.of].url;
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = http::Uri::from(check.path.clone());
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(origin.authority().as_str());
    headers.insert(header::HOST, host.map_err(|error| error.to_string())?);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Zephyr-Check"));
    let made = connect::connect(upstream, endpoint).await;
    let answer = match made.map_err(|error| failure::chain(&error))? {
        Made::Http1(mut sender) => sender.send_request(request).await,
        Made::Http2(mut sender, _) => {
            to_http2(&mut request, origin);
            sender.send_request(request).await
        }
    };
    let status = answer.map_err(|error| failure::chain(&error))?.status();
    match check.expect.contains(&status.as_u16()) {
        true => Ok(()),
        false => Err(format!("status {}", status.as_u16())),
    }
}
