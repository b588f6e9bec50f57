//! Asks an upstream to switch protocols, on a connection of its own.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::attempt::{Arrived, On, wait};
use super::counts::Failure;
use super::in_flight::{InFlight, Visit, is_gateway_failure};
use super::line::Conn;
use super::pool::Pool;
use super::send::{Choice, FALLBACKS, finish, key_of, no_servers};
use super::timer::Timer;
use super::{connect, count, failure};
use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::fields;

/// The places that a tunnel keeps at its upstream; in the extensions of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "kept to be dropped")] Arc<(InFlight, Visit)>);

/// Sends a request that asks for an upgrade. An answer 101 has its [`OnUpgrade`] and its [`Held`] in
/// its extensions; any other is an answer as `send` gives it. A server to which no connection can be
/// made is passed over.
///
/// # Errors
///
/// As `send`.
pub(crate) async fn upgrade(
    pool: &Arc<Pool>,
    client: IpAddr,
    mut request: Request<Body>,
) -> Result<Response<Body>, ProxyError> {
    let upstream = &pool.upstream;
    let mut in_flight = InFlight::enter(upstream)?;
    count(&upstream.counts.requests);
    let cluster = upstream.servers().await?;
    let mut choice = Choice::new(key_of(upstream, Some(client), &request));
    let mut missed = no_servers(upstream, ErrorType::DestinationUnavailable);
    *request.version_mut() = Version::HTTP_11;
    for _ in 0..=FALLBACKS {
        let Some(at) = choice.next(upstream, &cluster) else {
            break;
        };
        let line = pool.line(&cluster.endpoints[at]);
        let visit = Visit::new(upstream, &line.endpoint);
        let mut sender = match connect::open_http1(upstream, &line.endpoint).await {
            Ok(sender) => sender,
            Err(error) => {
                visit.failed(Failure::Connect);
                missed = error;
                continue;
            }
        };
        let answer = sender.try_send_request(request);
        let answer = match wait(upstream, &mut Timer::default(), None, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failed)) => {
                let error = failure::of_request(upstream, failed.into_error());
                if error.source == Source::Upstream {
                    visit.failed(Failure::Broken);
                    in_flight.outcome(false);
                }
                return Err(error);
            }
            Err(error) => {
                visit.failed(Failure::Timeout);
                in_flight.outcome(false);
                return Err(error);
            }
        };
        visit.answered(answer.status());
        in_flight.outcome(!is_gateway_failure(answer.status()));
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS
            && answer.extensions().get::<OnUpgrade>().is_some()
        {
            let (mut parts, _) = answer.into_parts();
            let switched_to = parts.headers.remove(http::header::UPGRADE);
            fields::remove_hop_by_hop(&mut parts.headers);
            if let Some(protocol) = switched_to {
                parts.headers.insert(http::header::UPGRADE, protocol);
            }
            parts.extensions.insert(Held(Arc::new((in_flight, visit))));
            return Ok(Response::from_parts(parts, Body::Empty));
        }
        let on = On::Http1(Conn::new(sender));
        return finish(Arrived { answer, on, visit }, &line, in_flight);
    }
    in_flight.outcome(false);
    Err(missed)
}
