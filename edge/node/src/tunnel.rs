//! Tunnels: connections that stop being HTTP after an upgrade (RFC 9110, section 7.8), WebSocket
//! above all (RFC 6455), also when asked for on HTTP/2 (RFC 8441).
//!
//! The handshake is an ordinary request: it has a route, filters see it, and an upstream that says
//! no is answered like any other ([`wish`]). When the upstream switches, both sides are connected
//! byte by byte ([`relay`]). The node reads no frames.

mod place;
mod relay;
mod websocket;
mod wish;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use place::Place;
pub(crate) use relay::Ended;
pub(crate) use wish::Wish;

use crate::config::Tunnels;

/// What is needed to connect a client with an upstream that has switched protocols.
pub(crate) struct Switch {
    upstream: OnUpgrade,
    limits: Tunnels,
    guards: Box<dyn std::any::Any>,
    ended: Box<dyn FnOnce(Ended)>,
}

impl Switch {
    /// `guards` are kept until the tunnel ends, and `ended` hears how.
    pub(crate) fn new(
        upstream: OnUpgrade,
        limits: Tunnels,
        guards: impl std::any::Any,
        ended: impl FnOnce(Ended) + 'static,
    ) -> Self {
        Self {
            upstream,
            limits,
            guards: Box::new(guards),
            ended: Box::new(ended),
        }
    }

    /// Connects both until they end. `early` is what the client has sent already.
    pub(crate) async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin, early: Bytes) {
        let ended = match self.upstream.await {
            Ok(upstream) => relay::relay(client, early, TokioIo::new(upstream), &self.limits).await,
            Err(error) => {
                tracing::debug!(%error, "an upstream switched protocols and was gone: {error}");
                Ended {
                    to_client: 0,
                    aborted: true,
                }
            }
        };
        (self.ended)(ended);
        drop(self.guards);
    }
}
