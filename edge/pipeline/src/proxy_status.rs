//! `Proxy-Status` (RFC 9209): what an answer that the edge made itself comes from.

use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::error::{ProxyError, Source};

/// Who says so: the name that `Cache-Status` has, too.
const NAME: &str = "Zephyr";
/// The field's name.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// What went wrong, by its registered name (RFC 9209, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The name server did not answer in time.
    DnsTimeout,
    /// The name cannot be resolved.
    DnsError,
    /// Nothing is configured for the request.
    DestinationNotFound,
    /// The upstream is known to be down.
    DestinationUnavailable,
    /// There is no way to the upstream's address.
    DestinationIpUnroutable,
    /// The upstream refused the connection.
    ConnectionRefused,
    /// The connection ended before there was an answer.
    ConnectionTerminated,
    /// There was no connection in time.
    ConnectionTimeout,
    /// The bound on requests or connections is reached.
    ConnectionLimitReached,
    /// The TLS handshake failed.
    TlsProtocolError,
    /// The upstream's certificate is not trusted.
    TlsCertificateError,
    /// The upstream ended the TLS handshake.
    TlsAlertReceived,
    /// The request is wrong.
    HttpRequestError,
    /// The request is not allowed here.
    HttpRequestDenied,
    /// The answer ended before its end.
    HttpResponseIncomplete,
    /// The answer's head is too large.
    HttpResponseHeaderSectionSize,
    /// The answer did not come in time.
    HttpResponseTimeout,
    /// The upstream did not speak HTTP.
    HttpProtocolError,
    /// The edge itself failed.
    ProxyInternalError,
    /// The edge is configured wrongly.
    ProxyConfigurationError,
}

impl ErrorType {
    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DnsTimeout => "dns_timeout",
            Self::DnsError => "dns_error",
            Self::DestinationNotFound => "destination_not_found",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::DestinationIpUnroutable => "destination_ip_unroutable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionLimitReached => "connection_limit_reached",
            Self::TlsProtocolError => "tls_protocol_error",
            Self::TlsCertificateError => "tls_certificate_error",
            Self::TlsAlertReceived => "tls_alert_received",
            Self::HttpRequestError => "http_request_error",
            Self::HttpRequestDenied => "http_request_denied",
            Self::HttpResponseIncomplete => "http_response_incomplete",
            Self::HttpResponseHeaderSectionSize => "http_response_header_section_size",
            Self::HttpResponseTimeout => "http_response_timeout",
            Self::HttpProtocolError => "http_protocol_error",
            Self::ProxyInternalError => "proxy_internal_error",
            Self::ProxyConfigurationError => "proxy_configuration_error",
        }
    }

    /// What it most likely is, for an error that does not say.
    #[must_use]
    pub fn likely(source: Source, status: StatusCode) -> Self {
        match (source, status) {
            (Source::Client, _) => Self::HttpRequestError,
            (Source::Edge, _) => Self::ProxyInternalError,
            (Source::Upstream, StatusCode::GATEWAY_TIMEOUT) => Self::HttpResponseTimeout,
            (Source::Upstream, StatusCode::SERVICE_UNAVAILABLE) => Self::DestinationUnavailable,
            (Source::Upstream, _) => Self::HttpProtocolError,
        }
    }

    /// What a refusal before any route is: nothing here (404, 421), or a wrong request.
    #[must_use]
    pub fn of_refusal(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND | StatusCode::MISDIRECTED_REQUEST => Self::DestinationNotFound,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => {
                Self::HttpRequestDenied
            }
            status if status.is_server_error() => Self::ProxyInternalError,
            _ => Self::HttpRequestError,
        }
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The field of an answer to an error. `details` hold what the problem body says: no addresses.
#[must_use]
pub fn of_error(error: &ProxyError) -> HeaderValue {
    value(error.kind(), error.received, error.detail)
}

/// The field of any answer that the edge made itself.
#[must_use]
pub fn value(kind: ErrorType, received: Option<StatusCode>, details: &str) -> HeaderValue {
    let mut text = format!("{}; error={kind}", NAME);
    if let Some(status) = received {
        text.push_str(&format!("; received-status={}", status.as_u16()));
    }
    // A string of structured fields is visible ASCII and spaces (RFC 9651, section 3.3.3).
    if !details.is_empty() && details.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        text.push_str("; details=\"");
        for char in details.chars() {
            if matches!(char, '"' | '\\') {
                text.push('\\');
            }
            text.push(char);
        }
        text.push('"');
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let kind = ErrorType::HttpResponseIncomplete;
        assert_eq!(
            value(kind, Some(StatusCode::OK), "It \"broke\"."),
            "Zephyr; error=http_response_incomplete; received-status=200; details=\"It \\\"broke\\\".\""
        );
        assert_eq!(
            value(ErrorType::DnsError, None, "ü"),
            "Zephyr; error=dns_error"
        );
    }
}
