//! Errors on the way of a request: where they come from and whether the request may be tried again.
//! What the node does about one (retry, serve stale, 502 or 504) is read off those two.

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use zephyr_cache::{Status, answer};

use crate::proxy_status::ErrorType;

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The client: a bad or broken request.
    Client,
    /// The node or a component on it.
    Edge,
    /// The upstream.
    Upstream,
}

/// Why a request could not be answered as asked.
#[derive(Debug)]
pub struct ProxyError {
    /// Who is at fault.
    pub source: Source,
    /// The status to answer with.
    pub status: StatusCode,
    /// What to tell the client; holds no internals.
    pub detail: &'static str,
    /// Whether nothing of the request has reached the upstream, so that it may be sent again.
    pub retryable: bool,
    /// What `Proxy-Status` calls it; none: what source and status make likely.
    pub kind: Option<ErrorType>,
    /// The status of an answer that came but cannot be used.
    pub received: Option<StatusCode>,
    /// What the cache says of the request (RFC 9211), when one was asked.
    pub cache_status: Option<HeaderValue>,
    /// When it is worth to ask again.
    pub retry_after: Option<Duration>,
    /// What to log.
    pub cause: Option<BoxError>,
}

impl ProxyError {
    /// An error of this source and status.
    #[must_use]
    pub fn new(source: Source, status: StatusCode, detail: &'static str) -> Self {
        Self {
            source,
            status,
            detail,
            retryable: false,
            kind: None,
            received: None,
            cache_status: None,
            retry_after: None,
            cause: None,
        }
    }

    /// Only a stored answer was asked for, and there is none (RFC 9111, section 5.2.1.7).
    #[must_use]
    pub fn not_stored() -> Self {
        let detail = "There is no stored answer, and only a stored one was asked for.";
        let mut error = Self::new(Source::Client, StatusCode::GATEWAY_TIMEOUT, detail);
        // The request went nowhere.
        error.cache_status = Some(answer::alone(&Status {
            detail: Some("only-if-cached"),
            ..Status::default()
        }));
        error
    }

    /// The upstream answered 304 to a request without a condition.
    #[must_use]
    pub fn unasked_not_modified() -> Self {
        let detail = "The upstream gave an answer that was not asked for.";
        Self::new(Source::Upstream, StatusCode::BAD_GATEWAY, detail)
            .with_cause("304 without a condition")
            .receiving(StatusCode::NOT_MODIFIED)
    }

    /// Adds what to log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says what the cache did before the request came to nothing (RFC 9211): why it went on, and with
    /// `fwd-status` only if an answer came.
    #[must_use]
    pub fn forwarded(mut self, reason: &'static str, detail: Option<&str>) -> Self {
        let status = Status {
            forward: Some(reason),
            forward_status: self.received.map(|status| status.as_u16()),
            detail,
            ..Status::default()
        };
        self.cache_status = Some(answer::alone(&status));
        self
    }

    /// Says which answer came that cannot be used.
    #[must_use]
    pub fn receiving(mut self, status: StatusCode) -> Self {
        self.received = Some(status);
        self
    }

    /// Says what `Proxy-Status` is to call it.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorType) -> Self {
        self.kind = Some(kind);
        self
    }

    /// What `Proxy-Status` calls it.
    #[must_use]
    pub fn kind(&self) -> ErrorType {
        self.kind
            .unwrap_or_else(|| ErrorType::likely(self.source, self.status))
    }

    /// Says when it is worth to ask again.
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// What it is for a request whose stored answer must be asked about, when nobody can be asked: 504
    /// (RFC 9111, section 5.2.2.2).
    #[must_use]
    pub fn cut_off(mut self) -> Self {
        if self.source == Source::Upstream && self.status == http::StatusCode::BAD_GATEWAY {
            self.status = http::StatusCode::GATEWAY_TIMEOUT;
        }
        self
    }

    /// Says that nothing has reached the upstream.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.detail)?;
        self.cause
            .as_ref()
            .map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
