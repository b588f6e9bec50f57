//! What a policy implements.

use std::fmt;

use crate::{Exchange, Host, Verdict};

/// A policy that looks at every request of the routes that name it.
///
/// The methods are `async` and not `Send`, because Workers and Spin can only wait that way. In a
/// node's guest a host call has always returned by the time its future is polled, so there a future
/// of these is polled once and never parks.
#[expect(
    async_fn_in_trait,
    reason = "every host of a filter is single-threaded per instance"
)]
pub trait Filter: Sized {
    /// Makes the policy from a stage's configuration, and says in which phases it is to be called.
    ///
    /// # Errors
    ///
    /// The error names what is wrong and where; the deployment is refused with it.
    fn configure(json: &str) -> Result<(Self, Phases), ConfigError>;

    /// A request has arrived and nothing has answered it yet.
    async fn on_request<X: Exchange, H: Host>(&self, exchange: &mut X, host: &H) -> Verdict {
        let _ = (exchange, host);
        Verdict::Next
    }

    /// An upstream has answered and the answer is not stored yet.
    async fn on_upstream<X: Exchange, H: Host>(&self, exchange: &mut X, host: &H) -> Verdict {
        let _ = (exchange, host);
        Verdict::Next
    }

    /// An answer leaves for this client, stored or not.
    async fn on_response<X: Exchange, H: Host>(&self, exchange: &mut X, host: &H) -> Verdict {
        let _ = (exchange, host);
        Verdict::Next
    }
}

/// The phases in which a filter wants to be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Call [`Filter::on_request`].
    pub request: bool,
    /// Call [`Filter::on_upstream`].
    pub upstream: bool,
    /// Call [`Filter::on_response`].
    pub response: bool,
}

impl Phases {
    /// Only [`Filter::on_request`].
    pub const REQUEST: Self = Self {
        request: true,
        upstream: false,
        response: false,
    };
    /// Only [`Filter::on_upstream`].
    pub const UPSTREAM: Self = Self {
        request: false,
        upstream: true,
        response: false,
    };
    /// Only [`Filter::on_response`].
    pub const RESPONSE: Self = Self {
        request: false,
        upstream: false,
        response: true,
    };

    /// The phases of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            request: self.request || other.request,
            upstream: self.upstream || other.upstream,
            response: self.response || other.response,
        }
    }
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with a message that names what is wrong and where.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl From<serde_json::Error> for ConfigError {
    /// Keeps serde's own words: they name the unknown or missing key, with line and column.
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestExchange, TestHost, run};

    /// As in `docs/filters.md`.
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        value: String,
    }

    #[derive(Debug)]
    struct ServedBy(Config);

    impl Filter for ServedBy {
        fn configure(json: &str) -> Result<(Self, Phases), ConfigError> {
            let config: Config = crate::config::read(json)?;
            crate::field::check_value(&config.value)
                .map_err(|error| ConfigError::new(format!("value: {error}")))?;
            Ok((Self(config), Phases::REQUEST))
        }

        async fn on_request<X: Exchange, H: Host>(&self, x: &mut X, _host: &H) -> Verdict {
            let _ = x.set_response_header("x-served-by", &self.0.value);
            Verdict::Next
        }
    }

    #[test]
    fn every_answer_says_who_served_it() {
        let (policy, phases) = ServedBy::configure(r#"{"value": "edge-1"}"#).unwrap();
        assert_eq!(phases, Phases::REQUEST);
        let mut x = TestExchange::get("/a?b=c").with_header("accept", "text/html");
        assert_eq!(
            run(policy.on_request(&mut x, &TestHost::new())),
            Verdict::Next
        );
        assert_eq!(x.answer("x-served-by"), Some("edge-1"));
        assert_eq!(x.calls(), ["set-response-header"]);
        let error = ServedBy::configure(r#"{"value": "a\nb"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "value: the field value holds a control character"
        );
    }

    #[test]
    fn a_phase_that_is_not_written_goes_on() {
        let (policy, _) = ServedBy::configure(r#"{"value": ""}"#).unwrap();
        let mut x = TestExchange::get("/").with_response(200, &[]);
        assert_eq!(
            run(policy.on_upstream(&mut x, &TestHost::new())),
            Verdict::Next
        );
        assert_eq!(
            run(policy.on_response(&mut x, &TestHost::new())),
            Verdict::Next
        );
        assert!(x.calls().is_empty());
    }

    #[test]
    fn phases_add_up() {
        let both = Phases::REQUEST.and(Phases::RESPONSE);
        assert_eq!(
            (both.request, both.upstream, both.response),
            (true, false, true)
        );
    }
}
