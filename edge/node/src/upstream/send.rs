//! Sends one request to an upstream: chooses a server, tries another one when that is safe, within
//! the budget and in time, and dresses the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Body as _;
use zephyr_balancer::{Ask, hash};
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::attempt::{Arrived, Missed, On, attempt};
use super::cluster::Cluster;
use super::form::{copy_of, is_idempotent, is_safe};
use super::in_flight::{InFlight, is_gateway_failure};
use super::line::Line;
use super::pool::Pool;
use super::sent_body::Steps;
use super::{Upstream, answer_body, count, failure, hedge, random};
use crate::body::Body;
use crate::config::{HashBy, PolicyName, RetryOn};
use crate::error::{ProxyError, Source};
use crate::fields;

/// Other addresses tried when no connection can be made, whatever `retries` says: a name with an
/// address that does not work from here must not fail requests.
pub(super) const FALLBACKS: u32 = 2;

/// Sends a request in origin form and answers with the upstream's answer: hop-by-hop fields gone,
/// `Via` added.
///
/// # Errors
///
/// 502, 503 or 504, or the client's own fault when its body broke off.
pub(crate) async fn send(
    pool: &Arc<Pool>,
    client: Option<IpAddr>,
    mut request: Request<Body>,
) -> Result<Response<Body>, ProxyError> {
    let upstream = &pool.upstream;
    let mut in_flight = InFlight::enter(upstream)?;
    count(&upstream.counts.requests);
    let steps = (!request.body().is_end_stream()).then(Steps::default);
    if let Some(steps) = &steps {
        let (parts, body) = request.into_parts();
        request = Request::from_parts(parts, steps.of(body));
    }
    let only = {
        let cluster = upstream.cluster.load();
        let only = cluster.pool.is_trivial().then(|| &cluster.endpoints[0]);
        only.map(|endpoint| pool.line(endpoint))
    };
    let result = match only {
        Some(line) => attempt(&line, request, steps.as_ref(), false)
            .await
            .map(|arrived| (arrived, line))
            .map_err(|missed| missed.error),
        // Boxed, so that the way of a single server does not pay for the size of this.
        None => Box::pin(balance(pool, client, request, steps.as_ref())).await,
    };
    match result {
        Ok((arrived, line)) => {
            in_flight.outcome(!is_gateway_failure(arrived.answer.status()));
            finish(arrived, &line, in_flight)
        }
        Err(error) => {
            if error.source == Source::Upstream {
                in_flight.outcome(false);
            }
            Err(error)
        }
    }
}

/// Which servers have been tried, and what the choice goes by.
pub(super) struct Choice {
    key: u64,
    tried: Vec<usize>,
}

impl Choice {
    pub(super) fn new(key: u64) -> Self {
        Self {
            key,
            tried: Vec::new(),
        }
    }

    /// Whether there is a server that has not been tried.
    pub(super) fn has_more(&self, cluster: &Cluster) -> bool {
        self.tried.len() < cluster.endpoints.len()
    }

    /// The next server to try.
    pub(super) fn next(&mut self, upstream: &Upstream, cluster: &Cluster) -> Option<usize> {
        let ask = Ask {
            now: upstream.now(),
            random: random::number(),
            key: self.key,
            avoid: &self.tried,
        };
        let next = cluster.pool.pick(&ask)?;
        self.tried.push(next);
        Some(next)
    }
}

async fn balance(
    pool: &Arc<Pool>,
    client: Option<IpAddr>,
    mut request: Request<Body>,
    steps: Option<&Steps>,
) -> Result<(Arrived, Arc<Line>), ProxyError> {
    let upstream = &pool.upstream;
    let config = &upstream.config;
    let cluster = upstream.servers().await?;
    let began = Instant::now();
    let mut choice = Choice::new(key_of(upstream, client, &request));
    let repeatable = steps.is_none() && is_idempotent(request.method());
    let hedged = config
        .hedge_after
        .filter(|_| steps.is_none() && is_safe(request.method()));
    let repeats_errors = repeatable && config.retry_on.contains(&RetryOn::ServerError);
    let (mut retries, mut fallbacks) = (config.retries, FALLBACKS);
    let mut at = choice
        .next(upstream, &cluster)
        .ok_or_else(|| no_servers(upstream, ErrorType::DestinationUnavailable))?;
    loop {
        let line = pool.line(&cluster.endpoints[at]);
        let elsewhere = retries > 0 && choice.has_more(&cluster);
        let spare = (repeats_errors && elsewhere).then(|| copy_of(&request));
        let result = match hedged {
            Some(after) if choice.tried.len() == 1 => {
                hedge::send(pool, &cluster, &mut choice, at, request, after).await
            }
            _ => attempt(&line, request, steps, elsewhere).await,
        };
        let (missed, answered) = match result {
            Ok(arrived) => match spare {
                Some(spare) if is_gateway_failure(arrived.answer.status()) => {
                    let missed = Missed {
                        error: no_servers(upstream, ErrorType::DestinationUnavailable),
                        why: RetryOn::ServerError,
                        request: Some(spare),
                    };
                    (missed, Some(arrived))
                }
                _ => return Ok(with_line(pool, arrived)),
            },
            Err(missed) => (missed, None),
        };
        let fallback = missed.why == RetryOn::Connect && fallbacks > 0;
        let next = missed
            .request
            .filter(|_| missed.error.source == Source::Upstream)
            .filter(|_| fallback || retries > 0 && config.retry_on.contains(&missed.why))
            .filter(|_| began.elapsed() < config.retry_within)
            .and_then(|request| Some((request, choice.next(upstream, &cluster)?)))
            // What never left loads nobody, so it takes nothing from the budget.
            .filter(|_| fallback || upstream.may_retry());
        match (next, answered) {
            (Some((again, next)), _) => {
                tracing::debug!(upstream = &*upstream.name, why = ?missed.why, "sent to another server");
                count(&upstream.counts.retries);
                if fallback {
                    fallbacks -= 1;
                } else {
                    retries -= 1;
                }
                (request, at) = (again, next);
            }
            (None, Some(arrived)) => return Ok(with_line(pool, arrived)),
            (None, None) => return Err(missed.error),
        }
    }
}

/// A hedge may have come from another server than the one chosen.
fn with_line(pool: &Pool, arrived: Arrived) -> (Arrived, Arc<Line>) {
    let line = pool.line(arrived.visit.endpoint());
    (arrived, line)
}

impl Upstream {
    /// Takes a retry out of the budget.
    pub(super) fn may_retry(&self) -> bool {
        let requests = self.counts.requests.load(Relaxed);
        let may = self.budget.withdraw(requests, self.now());
        if !may {
            count(&self.counts.over_budget);
        }
        may
    }

    /// The servers there are; waits for names that are being looked up for the first time.
    pub(super) async fn servers(&self) -> Result<Arc<Cluster>, ProxyError> {
        let until = tokio::time::Instant::now() + self.config.connect_timeout;
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let cluster = self.cluster.load_full();
            if !cluster.endpoints.is_empty() {
                return Ok(cluster);
            }
            if let Some(problem) = cluster.problem {
                return Err(no_servers(self, problem));
            }
            if tokio::time::timeout_at(until, changed).await.is_err() {
                return Err(no_servers(self, ErrorType::DnsTimeout));
            }
        }
    }
}

pub(super) fn no_servers(upstream: &Upstream, kind: ErrorType) -> ProxyError {
    let (status, detail) = match kind {
        ErrorType::DnsTimeout => (
            StatusCode::GATEWAY_TIMEOUT,
            "The upstream's name could not be resolved in time.",
        ),
        ErrorType::DnsError => (
            StatusCode::BAD_GATEWAY,
            "The upstream's name cannot be resolved.",
        ),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The upstream has no server to ask.",
        ),
    };
    ProxyError::new(Source::Upstream, status, detail)
        .of_kind(kind)
        .with_cause(format!("upstream {}: no addresses", upstream.name))
        .retryable()
}

/// What a hash ring goes by.
pub(super) fn key_of(upstream: &Upstream, client: Option<IpAddr>, request: &Request<Body>) -> u64 {
    if upstream.config.policy != PolicyName::RingHash {
        return 0;
    }
    let address = || match client {
        Some(IpAddr::V4(ip)) => hash(&ip.octets()),
        Some(IpAddr::V6(ip)) => hash(&ip.octets()),
        None => 0,
    };
    match &upstream.config.hash_by {
        HashBy::Ip => address(),
        HashBy::Path => hash(request.uri().path().as_bytes()),
        HashBy::Header(name) => {
            let value = request.headers().get(name);
            value.map_or_else(address, |value| hash(value.as_bytes()))
        }
    }
}

pub(super) fn finish(
    arrived: Arrived,
    line: &Arc<Line>,
    in_flight: InFlight,
) -> Result<Response<Body>, ProxyError> {
    let Arrived {
        answer,
        mut on,
        visit,
    } = arrived;
    let (mut parts, body) = answer.into_parts();
    if parts.status.is_informational() {
        // An upgrade is asked for elsewhere (`upgrade`), so 101 is no answer to what was sent.
        let cause = format!("status {}", parts.status.as_u16());
        let kind = ErrorType::HttpProtocolError;
        return Err(failure::broken(&line.upstream, kind, cause));
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        // RFC 9112, section 6.3: the encoding overrides the length, which must not be passed on.
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    if let On::Http1(conn) = &mut on {
        conn.heed(&parts.headers);
    }
    fields::remove_hop_by_hop(&mut parts.headers);
    let via = HeaderValue::from_static(fields::VIA);
    parts.headers.append(header::VIA, via);
    parts.version = http::Version::HTTP_11;
    let body = answer_body::wrap(body, parts.status, on, line, (in_flight, visit));
    Ok(Response::from_parts(parts, body))
}
