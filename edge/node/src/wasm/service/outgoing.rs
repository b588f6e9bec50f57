//! The outgoing requests of a service: to the upstreams that it was given, through the node's own
//! pools.

use std::sync::Arc;

use http::StatusCode;
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::body::Body;
use crate::error::{BoxError, ProxyError, Source};
use crate::wasm::Outbound;

/// Decides where requests go.
pub(super) struct Hooks {
    pub(super) outbound: Arc<dyn Outbound>,
    pub(super) component: Arc<str>,
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), Error>;

impl WasiHttpHooks for Hooks {
    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        Some(http::uri::Scheme::HTTP)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Io,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if !self.outbound.allows_request(request.uri()) {
            let upstream = request.uri().authority().map(http::uri::Authority::as_str);
            let upstream = upstream.unwrap_or_default();
            let component = &*self.component;
            tracing::debug!(
                component,
                upstream,
                "Denied an outgoing request to {upstream:?}"
            );
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        }
        let answer = self.outbound.send(request.map(Body::stream));
        let timeout = options.and_then(|options| options.first_byte_timeout);
        Box::new(async move {
            let answer = match timeout {
                Some(timeout) => tokio::time::timeout(timeout, answer)
                    .await
                    .map_err(|_| Error::ConnectionReadTimeout)?,
                None => answer.await,
            };
            let response = answer.map_err(|error| refused(&error))?;
            let response = response.map(|body| body.map_err(broken).boxed_unsync());
            Ok((response, Box::new(std::future::ready(Ok(()))) as Io))
        })
    }
}

/// What a service is told when the node cannot get an answer for it.
fn refused(error: &ProxyError) -> Error {
    tracing::debug!(%error, "An outgoing request failed");
    match (error.source, error.status) {
        (Source::Upstream, StatusCode::GATEWAY_TIMEOUT) => Error::HttpResponseTimeout,
        (Source::Upstream, _) if error.retryable => Error::ConnectionRefused,
        (Source::Upstream, _) => Error::ConnectionTerminated,
        (_, StatusCode::SERVICE_UNAVAILABLE) => Error::ConnectionLimitReached,
        (_, StatusCode::PAYLOAD_TOO_LARGE) => Error::HttpRequestBodySize(None),
        _ => Error::InternalError(None),
    }
}

fn broken(error: BoxError) -> Error {
    tracing::debug!(%error, "The answer to an outgoing request broke off");
    Error::HttpResponseIncomplete
}
