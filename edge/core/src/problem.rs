//! Problem details for HTTP APIs (RFC 9457), as the edge writes them.

use serde::Serialize;

use crate::Reply;

/// A problem body. `type` is always `about:blank` here: the status and the title say what it is.
#[derive(Clone, Debug, Serialize)]
pub struct Problem<'a> {
    /// The kind of problem, as a URI reference.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// A short summary of the kind of problem.
    pub title: &'a str,
    /// The status code, repeated.
    pub status: u16,
    /// What is wrong with this very request, in words for its sender.
    pub detail: &'a str,
    /// The request's id, by which its log lines are found.
    pub request_id: &'a str,
}

impl<'a> Problem<'a> {
    /// The media type of a problem body.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// A problem of this status.
    #[must_use]
    pub fn new(status: u16, title: &'a str, detail: &'a str, request_id: &'a str) -> Self {
        Self {
            kind: "about:blank",
            title,
            status,
            detail,
            request_id,
        }
    }

    /// The body as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and numbers is always valid JSON")
    }

    /// An answer with this problem as its body, which no cache may keep.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        let mut reply = Reply::new(self.status)
            .with_header("content-type", Self::CONTENT_TYPE)
            .with_header("cache-control", "no-store");
        reply.body = self.to_json();
        reply
    }
}
