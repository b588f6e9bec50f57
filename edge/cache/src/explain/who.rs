//! Whom a stored answer is given to: now, later, and which requests.

use http::header;

use super::{Finding, Seen};
use crate::freshness::Freshness;
use crate::request::RequestDirectives;
use crate::reuse::{self, Reuse};
use crate::vary::Selection;

/// Whether the next request like this one would be answered with it.
pub(super) fn now(seen: &Seen<'_>, freshness: &Freshness) -> Finding {
    let directives = RequestDirectives::of(seen.request);
    let ttl = freshness.ttl(seen.arrived);
    let validator = seen.response.contains_key(header::ETAG)
        || seen.response.contains_key(header::LAST_MODIFIED);
    let ask = if validator {
        "the origin is asked whether it is still right (If-None-Match, If-Modified-Since)"
    } else {
        "it is fetched anew, because it has no validator to ask about it with"
    };
    let (section, text) = match reuse::decide(freshness, &directives, seen.arrived) {
        Reuse::Fresh => (
            "RFC 9111, section 4.2",
            format!("The same request again gets it without a question, for {ttl} s from now."),
        ),
        Reuse::StaleAsked => (
            "RFC 9111, section 5.2.1.2",
            "It is stale, but the request takes stale answers (max-stale).".to_owned(),
        ),
        Reuse::StaleWhileRevalidate => (
            "RFC 5861, section 3",
            "It is stale, and given at once while it is refreshed.".to_owned(),
        ),
        Reuse::Validate("request") => (
            "RFC 9111, section 5.2.1",
            format!("The request's own Cache-Control asks for more: {ask}."),
        ),
        Reuse::Validate(_) if freshness.no_cache => (
            "RFC 9111, section 5.2.2.4",
            format!("Before every use, {ask}."),
        ),
        Reuse::Validate(_) => (
            "RFC 9111, section 4.3",
            format!("It is stale already: before it is used, {ask}."),
        ),
    };
    Finding::new("reuse", section, text)
}

/// How long past its lifetime it is of use.
pub(super) fn stale(freshness: &Freshness) -> Vec<Finding> {
    let mut findings = Vec::new();
    if freshness.stale_while_revalidate > 0 {
        let text = format!(
            "For {} s past its lifetime it is given while it is refreshed.",
            freshness.stale_while_revalidate
        );
        findings.push(Finding::new("stale", "RFC 5861, section 3", text));
    }
    if freshness.stale_if_error > 0 {
        let text = format!(
            "For {} s past its lifetime it takes the place of a 5xx.",
            freshness.stale_if_error
        );
        findings.push(Finding::new("stale", "RFC 5861, section 4", text));
    } else if freshness.stale_if_unreachable > 0 {
        let text = format!(
            "For {} s past its lifetime it is given when the origin cannot be reached.",
            freshness.stale_if_unreachable
        );
        findings.push(Finding::new("stale", "RFC 9111, section 4.2.4", text));
    } else if freshness.must_revalidate {
        let text = "It is never given stale: must-revalidate, proxy-revalidate, no-cache or s-maxage forbids it.";
        findings.push(Finding::new("stale", "RFC 9111, section 4.2.4", text));
    }
    findings
}

/// Which requests it is for.
pub(super) fn vary(seen: &Seen<'_>) -> Finding {
    let selection = Selection::new(seen.response, seen.request).unwrap_or_default();
    let section = "RFC 9111, section 4.1";
    if selection.is_empty() {
        let text = "It answers all requests for the URL, whatever fields they have.";
        return Finding::new("vary", section, text);
    }
    let names: Vec<&str> = selection.names().map(|name| name.as_str()).collect();
    let text = format!(
        "It answers requests that have the same in {}.",
        names.join(", ")
    );
    Finding::new("vary", section, text)
}
