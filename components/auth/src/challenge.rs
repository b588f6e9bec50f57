//! The answers to requests that may not pass (RFC 6750, section 3).

use zephyr_edge_core::{Problem, Reply};

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal<'a> {
    /// The path can be read in two ways.
    Path,
    /// The credentials break the syntax of RFC 6750, section 2.1.
    Malformed,
    /// A token is needed and there is none.
    Missing,
    /// The token is not valid, and why.
    Invalid(&'static str),
    /// The token lacks these scopes.
    Scope(&'a [String]),
    /// Nothing can be verified at the moment.
    NoKeys,
}

impl Refusal<'_> {
    /// The answer.
    pub(crate) fn reply(self, realm: &str, request_id: &str) -> Reply {
        let problem =
            |status, title, detail| Problem::new(status, title, detail, request_id).into_reply();
        let challenge = |reply: Reply, more: &str| {
            reply.with_header(
                "www-authenticate",
                format!("Bearer realm=\"{realm}\"{more}"),
            )
        };
        match self {
            Self::Path => problem(
                400,
                "Bad Request",
                "The path holds dot segments; ask for the path that they lead to.",
            ),
            Self::Malformed => challenge(
                problem(400, "Bad Request", "The bearer credentials cannot be read."),
                ", error=\"invalid_request\"",
            ),
            // Without an error code, since the client did not say who it is (section 3.1).
            Self::Missing => challenge(
                problem(401, "Unauthorized", "This request needs an access token."),
                "",
            ),
            Self::Invalid(why) => {
                let detail = format!("The access token was refused: {why}.");
                challenge(
                    problem(401, "Unauthorized", &detail),
                    &format!(", error=\"invalid_token\", error_description=\"{why}\""),
                )
            }
            Self::Scope(scopes) => {
                let scopes = scopes.join(" ");
                let detail = format!("The access token needs the scope: {scopes}.");
                challenge(
                    problem(403, "Forbidden", &detail),
                    &format!(", error=\"insufficient_scope\", scope=\"{scopes}\""),
                )
            }
            Self::NoKeys => problem(
                503,
                "Service Unavailable",
                "Access tokens cannot be verified at the moment.",
            )
            .with_header("retry-after", "1"),
        }
    }
}
