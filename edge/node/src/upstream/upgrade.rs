//! Asks an upstream to switch protocols, on a connection of its own.

use std::sync::Arc;

use http::{Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use super::in_flight::InFlight;
use super::pool::Pool;
use super::send::{clean, failure, wait};
use super::{answer_body, connect, count};
use crate::body::Body;
use crate::error::ProxyError;
use crate::fields;

/// The upstream's place in flight, which a tunnel keeps; in the extensions of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "kept to be dropped")] Arc<InFlight>);

/// Sends a request that asks for an upgrade. An answer 101 has its [`OnUpgrade`] and its [`Held`] in
/// its extensions; any other is an answer as `send` gives it.
///
/// # Errors
///
/// As `send`.
pub(crate) async fn upgrade(
    pool: &Arc<Pool>,
    mut request: Request<Body>,
) -> Result<Response<Body>, ProxyError> {
    let upstream = &pool.upstream;
    let in_flight = InFlight::enter(upstream)?;
    count(&upstream.counts.requests);
    let mut sender = connect::http1(upstream).await?;
    *request.version_mut() = Version::HTTP_11;
    let answer = match wait(&in_flight, None, sender.try_send_request(request)).await? {
        Ok(answer) => answer,
        Err(failed) => return Err(failure(&in_flight, failed.into_error())),
    };
    let (mut parts, body) = answer.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS
        && parts.extensions.get::<OnUpgrade>().is_some()
    {
        let asked_for = parts.headers.remove(http::header::UPGRADE);
        fields::remove_hop_by_hop(&mut parts.headers);
        if let Some(protocol) = asked_for {
            parts.headers.insert(http::header::UPGRADE, protocol);
        }
        parts.extensions.insert(Held(Arc::new(in_flight)));
        return Ok(Response::from_parts(parts, Body::Empty));
    }
    clean(&in_flight, &mut parts)?;
    let body = answer_body::wrap(body, Some(sender), pool, in_flight);
    Ok(Response::from_parts(parts, body))
}
