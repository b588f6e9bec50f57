//! A request that asks for another protocol: whether it may, and what becomes of its connection.

use std::rc::Rc;

use bytes::Bytes;
use http::request::Parts as RequestParts;
use http::response::Parts;
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use zephyr_edge_pipeline::admission::Refusal;

use super::outgoing::Outgoing;
use super::record::Record;
use crate::body::Body;
use crate::connection::Connection;
use crate::metrics::Count;
use crate::pipeline::Route;
use crate::setup::Setup;
use crate::tunnel::{Ended, Place, Switch, Wish};
use crate::upstream::Held;
use crate::worker::Worker;

/// A wish that the route grants.
pub(super) struct Upgrade {
    wish: Wish,
    place: Place,
}

/// An upstream that has switched.
pub(super) struct Switched {
    wish: Wish,
    guards: (Place, Option<Held>),
    upstream: OnUpgrade,
}

/// Checks a wish. One that the route does not grant is passed over on HTTP/1.1 (RFC 9110, section
/// 7.8); an extended CONNECT cannot be.
pub(super) fn prepare(
    worker: &Worker,
    setup: &Setup,
    route: &Route,
    wish: Option<Wish>,
    parts: &mut RequestParts,
) -> Result<Option<Upgrade>, Refusal> {
    let Some(mut wish) = wish else {
        return Ok(None);
    };
    if !wish.is_one_of(&route.upgrade) {
        if wish.http2 {
            let detail = "This server does not switch to that protocol here.";
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, detail));
        }
        return Ok(None);
    }
    wish.check(&parts.headers)?;
    let Some(place) = Place::take(&worker.node, setup.config.tunnels.max) else {
        worker.metrics.count(Count::TunnelsTurnedAway);
        let detail = "There are too many connections of this kind.";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    parts.extensions.insert(wish.clone());
    Ok(Some(Upgrade { wish, place }))
}

impl Upgrade {
    /// Reads off an answer whether the upstream has switched.
    pub(super) fn judge(self, parts: &mut Parts) -> Result<Option<Switched>, Refusal> {
        if parts.status == StatusCode::SWITCHING_PROTOCOLS
            && let Some(upstream) = parts.extensions.remove::<OnUpgrade>()
        {
            let held = parts.extensions.remove::<Held>();
            return Ok(Some(Switched {
                wish: self.wish,
                guards: (self.place, held),
                upstream,
            }));
        }
        if self.wish.http2 && parts.status.is_success() {
            // To a CONNECT this would say that there is a tunnel.
            let detail = "The upstream did not switch protocols.";
            return Err(Refusal::new(StatusCode::BAD_GATEWAY, detail));
        }
        Ok(None)
    }
}

impl Switched {
    /// Tells the client and makes the tunnel.
    pub(super) fn tunnel(
        self,
        worker: &Rc<Worker>,
        setup: &Setup,
        connection: &Connection,
        record: Record,
        client: Option<OnUpgrade>,
        mut parts: Parts,
    ) -> Response<Outgoing> {
        worker.metrics.count(Count::Tunnels);
        self.wish.tell(&mut parts.headers);
        let limits = setup.config.tunnels;
        let status = match self.wish.http2 {
            true => StatusCode::OK,
            false => StatusCode::SWITCHING_PROTOCOLS,
        };
        parts.status = status;
        let ended = move |ended: Ended| {
            record.finish(status.as_u16(), ended.to_client, ended.aborted);
        };
        let switch = Switch::new(self.upstream, limits, self.guards, ended);
        match client {
            Some(client) if self.wish.http2 => {
                tokio::task::spawn_local(async move {
                    match client.await {
                        Ok(client) => switch.run(TokioIo::new(client), Bytes::new()).await,
                        Err(error) => {
                            tracing::debug!(%error, "a client asked for a tunnel and was gone");
                        }
                    }
                });
            }
            _ => connection.becomes(switch),
        }
        Response::from_parts(parts, Outgoing::Whole(Body::Empty))
    }
}
