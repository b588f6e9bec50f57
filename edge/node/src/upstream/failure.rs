//! What an error of a connection means: whose fault it is, what `Proxy-Status` calls it (RFC 9209,
//! section 2.3), and whether the server has seen the request.

use std::error::Error;
use std::io::ErrorKind;

use http::StatusCode;
use zephyr_edge_pipeline::proxy_status::ErrorType;

use super::{Upstream, count};
use crate::error::{BoxError, ProxyError, Source};
use crate::limited_body::BodyTooLarge;
use crate::slow_body::BodyTooSlow;

/// An error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        // An `io::Error` that wraps another one hides it from `source`.
        let inner = error.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        inner.map_or_else(|| error.source(), |inner| Some(inner))
    })
}

/// An error and its causes in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in causes(error) {
        let part = error.to_string();
        // Some say what their cause says.
        if text.ends_with(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text
}

fn of_tls(error: &(dyn Error + 'static)) -> Option<ErrorType> {
    let error = causes(error).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    Some(match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            ErrorType::TlsCertificateError
        }
        rustls::Error::AlertReceived(_) => ErrorType::TlsAlertReceived,
        _ => ErrorType::TlsProtocolError,
    })
}

/// Why there is no connection.
pub(super) fn of_connect(error: &std::io::Error) -> ErrorType {
    of_tls(error).unwrap_or(match error.kind() {
        ErrorKind::ConnectionRefused => ErrorType::ConnectionRefused,
        ErrorKind::TimedOut => ErrorType::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            ErrorType::DestinationIpUnroutable
        }
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => {
            ErrorType::ConnectionTerminated
        }
        _ => ErrorType::DestinationUnavailable,
    })
}

/// The upstream broke off or did not speak HTTP.
pub(super) fn broken(
    upstream: &Upstream,
    kind: ErrorType,
    cause: impl Into<BoxError>,
) -> ProxyError {
    count(&upstream.counts.broken);
    let detail = match kind {
        ErrorType::HttpResponseHeaderSectionSize => {
            "The head of the upstream's answer is too large."
        }
        ErrorType::ConnectionTerminated | ErrorType::HttpResponseIncomplete => {
            "The upstream broke off."
        }
        _ => "The upstream broke off or did not speak HTTP.",
    };
    let cause = format!("upstream {}: {}", upstream.name, chain(&*cause.into()));
    let error = ProxyError::new(Source::Upstream, StatusCode::BAD_GATEWAY, detail);
    error.of_kind(kind).with_cause(cause)
}

/// What an error on a connection is, before the head of an answer.
pub(super) fn kind(error: &hyper::Error) -> ErrorType {
    if error.is_parse_too_large() {
        ErrorType::HttpResponseHeaderSectionSize
    } else if error.is_parse() {
        ErrorType::HttpProtocolError
    } else if let Some(kind) = of_tls(error) {
        kind
    } else if is_disconnect(error) || error.is_closed() || error.is_canceled() {
        ErrorType::ConnectionTerminated
    } else {
        ErrorType::HttpProtocolError
    }
}

/// What went wrong at the upstream, or at the client whose body was being sent.
pub(super) fn of_request(upstream: &Upstream, error: hyper::Error) -> ProxyError {
    if causes(&error).any(<dyn Error>::is::<BodyTooLarge>) {
        let detail = "The request's body is larger than this server takes.";
        return ProxyError::new(Source::Client, StatusCode::PAYLOAD_TOO_LARGE, detail);
    }
    if causes(&error).any(<dyn Error>::is::<BodyTooSlow>) {
        let detail = "The request's body comes too slowly.";
        return ProxyError::new(Source::Client, StatusCode::REQUEST_TIMEOUT, detail);
    }
    if error.is_user() {
        let detail = "The request's body broke off or is not framed as it says.";
        return ProxyError::new(Source::Client, StatusCode::BAD_REQUEST, detail)
            .with_cause(chain(&error));
    }
    broken(upstream, kind(&error), error)
}

/// The connection ended before any byte of an answer.
pub(super) fn is_disconnect(error: &hyper::Error) -> bool {
    if error.is_incomplete_message() {
        return true;
    }
    let io = causes(error).find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| {
        matches!(
            io.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
                | ErrorKind::ConnectionAborted
                | ErrorKind::UnexpectedEof
        )
    })
}

/// Whether an HTTP/2 server says that it has not looked at the request: the stream was refused, or
/// came after the last one that a server takes before it goes (RFC 9113, sections 8.7 and 6.8).
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    let h2 = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    h2.is_some_and(|error| {
        error.is_remote()
            && match error.reason() {
                Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
                Some(h2::Reason::NO_ERROR) => error.is_go_away(),
                _ => false,
            }
    })
}
