//! Why an answer is stored or not, for how long, and for whom: every decision of this crate about one
//! request and its answer, in words, with the rule that it comes from.
//!
//! The decisions are asked of the same functions that a cache asks ([`crate::way`],
//! [`crate::storable`], [`crate::reuse`]); what is said here beside them is where their numbers come
//! from ([`lifetime`]) and what of the fields is odd ([`directives`]).

mod directives;
mod lifetime;
mod size;
mod who;

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Uri, header};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::cache_control::CacheControl;
use crate::part::Part;
use crate::storable::{Candidate, NotStorable};
use crate::way::{self, Way};
use crate::{Freshness, invalidate};

/// A request and the answer to it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host, with a port that is not the scheme's own.
    pub authority: &'a str,
    /// Path and query.
    pub uri: &'a Uri,
    /// The request's fields.
    pub request: &'a HeaderMap,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's fields.
    pub response: &'a HeaderMap,
    /// When the request left, since the Unix epoch.
    pub asked: Duration,
    /// When the answer's head came, since the Unix epoch.
    pub arrived: Duration,
}

/// One thing that a cache concludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about, in one word.
    pub topic: &'static str,
    /// What it is, in a sentence.
    pub text: String,
    /// Where the rule stands.
    pub section: &'static str,
}

impl Finding {
    pub(crate) fn new(topic: &'static str, section: &'static str, text: impl Into<String>) -> Self {
        Self {
            topic,
            text: text.into(),
            section,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9} {} [{}]", self.topic, self.text, self.section)
    }
}

/// All findings, in the order in which a cache comes to them.
#[must_use]
pub fn explain(seen: &Seen<'_>) -> Vec<Finding> {
    let filters = CacheDirectives::default();
    let mut findings = vec![key(seen)];
    match way::of(seen.method, seen.request, &filters, false) {
        Way::Look => {}
        Way::Pass { detail, .. } => {
            findings.push(passed(detail.as_deref()));
            return findings;
        }
        Way::Write { .. } => findings.extend(written(seen)),
    }
    findings.extend(directives::of(seen.response));
    let assessed = candidate(seen, &filters);
    match assessed {
        Err(why) => findings.push(Finding::new("stored", why.section(), not_stored(why))),
        Ok(freshness) => {
            findings.push(stored(seen));
            findings.extend(size::of(seen));
            findings.extend(left_out(seen.response));
            findings.push(lifetime::of(seen, &freshness));
            findings.extend(lifetime::age(seen, &freshness));
            findings.push(who::now(seen, &freshness));
            findings.extend(who::stale(&freshness));
            findings.push(who::vary(seen));
        }
    }
    findings
}

/// The findings as lines.
#[must_use]
pub fn to_text(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}

fn key(seen: &Seen<'_>) -> Finding {
    let target = seen
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let (scheme, authority) = (seen.scheme, seen.authority);
    let text = format!(
        "{scheme}://{authority}{target}: a stored answer is looked up by its URL, query and all."
    );
    Finding::new("key", "RFC 9111, section 2", text)
}

fn passed(detail: Option<&str>) -> Finding {
    let (section, text) = match detail {
        Some("precondition") => (
            "RFC 9111, section 4.3.2",
            "The request goes to the origin as it is: If-Match and If-Unmodified-Since are for it alone.",
        ),
        Some("body") => (
            "RFC 9110, section 9.3.1",
            "The request goes to the origin as it is: what a body in a GET means, only it knows.",
        ),
        _ => (
            "RFC 9111, section 3",
            "The request goes to the origin as it is: answers to its method are not stored.",
        ),
    };
    Finding::new("request", section, text)
}

/// What an unsafe request drops.
fn written(seen: &Seen<'_>) -> Vec<Finding> {
    if !invalidate::has_changed(seen.status) {
        let text = "The request can change something, but its answer says that it has not: nothing is dropped.";
        return vec![Finding::new("write", "RFC 9111, section 4.4", text)];
    }
    let path = seen.uri.path();
    let mut text = "Stored answers of this URL are dropped".to_owned();
    let also = invalidate::also(seen.response, seen.scheme, seen.authority, path);
    if !also.is_empty() {
        text.push_str(", and those of ");
        text.push_str(&also.join(" and "));
    }
    text.push('.');
    vec![Finding::new("write", "RFC 9111, section 4.4", text)]
}

fn candidate(seen: &Seen<'_>, filters: &CacheDirectives) -> Result<Freshness, NotStorable> {
    let candidate = Candidate {
        // An answer to HEAD tells what one to GET would be.
        method: &Method::GET,
        request: seen.request,
        status: seen.status,
        response: seen.response,
        filters,
        asked: seen.asked,
        arrived: seen.arrived,
    };
    if !invalidate::is_unsafe(seen.method) {
        return candidate.assess();
    }
    let itself = *seen.method == Method::POST
        && invalidate::names_itself(seen.response, seen.scheme, seen.authority, seen.uri);
    if itself {
        candidate.assess_post()
    } else {
        Err(NotStorable::Method)
    }
}

fn not_stored(why: NotStorable) -> String {
    format!("No. {}", why.sentence())
}

fn stored(seen: &Seen<'_>) -> Finding {
    if let Some(part) = Part::of(seen.request, seen.response)
        && seen.status == StatusCode::PARTIAL_CONTENT
    {
        let all = part
            .complete
            .map_or("unknown".to_owned(), |all| all.to_string());
        let text = format!(
            "Yes, as a part: bytes {} to {} of {all}. It answers ranges within, and only the rest is fetched.",
            part.first, part.last
        );
        return Finding::new("stored", "RFC 9111, section 3.3", text);
    }
    if invalidate::is_unsafe(seen.method) {
        let text =
            "Yes: Content-Location names the request's own URL, so it answers a GET of it as well.";
        return Finding::new("stored", "RFC 9110, section 9.3.3", text);
    }
    let authorized = seen.request.contains_key(header::AUTHORIZATION);
    let section = if authorized {
        "RFC 9111, section 3.5"
    } else {
        "RFC 9111, section 3"
    };
    let text = if authorized {
        "Yes: the request carried Authorization, but the answer says that it may be shared."
    } else {
        "Yes: nothing forbids it."
    };
    Finding::new("stored", section, text)
}

/// Fields that stay out.
fn left_out(response: &HeaderMap) -> Option<Finding> {
    let (control, _) = CacheControl::for_this_cache(response);
    if control.unstored.is_empty() {
        return None;
    }
    let names: Vec<&str> = control
        .unstored
        .iter()
        .map(http::HeaderName::as_str)
        .collect();
    let text = format!(
        "Left out: {}, which no-cache or private names.",
        names.join(", ")
    );
    Some(Finding::new(
        "fields",
        "RFC 9111, sections 5.2.2.4 and 5.2.2.7",
        text,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    const NOW: Duration = Duration::from_secs(1_795_000_000);

    fn of(
        method: Method,
        request: &[(&'static str, &str)],
        status: u16,
        response: &[(&'static str, &str)],
    ) -> String {
        let (request, response) = (fields(request), fields(response));
        let uri = Uri::from_static("/a?b");
        let seen = Seen {
            method: &method,
            scheme: "http",
            authority: "a.example",
            uri: &uri,
            request: &request,
            status: StatusCode::from_u16(status).unwrap(),
            response: &response,
            asked: NOW,
            arrived: NOW,
        };
        to_text(&explain(&seen))
    }

    fn get(response: &[(&'static str, &str)]) -> String {
        of(Method::GET, &[], 200, response)
    }

    #[test]
    fn what_is_stored_is_told_with_its_lifetime() {
        let text = get(&[("cache-control", "max-age=60"), ("age", "10")]);
        assert!(text.contains("key       http://a.example/a?b: "), "{text}");
        assert!(text.contains("stored    Yes"), "{text}");
        assert!(text.contains("60 s, from max-age"), "{text}");
        assert!(text.contains("10 s old"), "{text}");
    }

    #[test]
    fn every_reason_not_to_store_is_a_sentence() {
        for (response, words) in [
            (("cache-control", "no-store"), "no-store forbids"),
            (
                ("cache-control", "private, max-age=1"),
                "this cache is shared",
            ),
            (("vary", "*"), "Vary has *"),
            (("x", "y"), "never be used again"),
        ] {
            let text = get(&[response]);
            assert!(text.contains("stored    No. "), "{text}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn writes_and_posts_are_told_apart() {
        let text = of(Method::POST, &[], 201, &[("location", "/c")]);
        assert!(
            text.contains("dropped, and those of http://a.example/c."),
            "{text}"
        );
        assert!(text.contains("stored    No. Only answers to GET"), "{text}");
        let itself = [("content-location", "/a?b"), ("cache-control", "max-age=5")];
        let text = of(Method::POST, &[], 200, &itself);
        assert!(text.contains("so it answers a GET"), "{text}");
        let text = of(Method::OPTIONS, &[], 200, &[]);
        assert!(text.contains("as it is"), "{text}");
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(
            control in "[a-z0-9=,\" -]{0,40}", expires in "[ -~]{0,30}", vary in "[a-z*, ]{0,10}", status in 200_u16..600,
        ) {
            let response = [("cache-control", control.as_str()), ("expires", &expires), ("vary", &vary)];
            prop_assert!(!of(Method::GET, &[], status, &response).is_empty());
        }
    }
}
