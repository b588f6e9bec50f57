//! What of `Cache-Control` is odd, and what is made of it.

use http::{HeaderMap, header};

use super::Finding;
use crate::cache_control::{CacheControl, directive};
use crate::surrogate::SURROGATE_CONTROL;
use crate::targeted::{self, CDN_CACHE_CONTROL};

/// So many findings about one field; more would hide them all.
const MAX: usize = 16;

/// Findings about the fields that control caches.
pub(super) fn of(response: &HeaderMap) -> Vec<Finding> {
    let mut findings: Vec<Finding> = targeted(response).into_iter().collect();
    if findings.iter().any(|finding| finding.topic == "targeted") {
        return findings;
    }
    let mut seen: Vec<String> = Vec::new();
    for line in response.get_all(header::CACHE_CONTROL) {
        let Ok(mut text) = line.to_str() else {
            let text = "Cache-Control has bytes that cannot be read; they may forbid anything, so nothing is stored.";
            findings.push(Finding::new("odd", "RFC 9111, section 5.2", text));
            continue;
        };
        while let Some((name, value, rest)) = directive(text) {
            text = rest;
            let name = name.to_ascii_lowercase();
            if findings.len() < MAX {
                findings.extend(odd(&name, value, seen.contains(&name)));
            }
            if seen.len() < 256 {
                seen.push(name);
            }
        }
    }
    if seen.iter().any(|name| name == "must-understand")
        && seen.iter().any(|name| name == "no-store")
    {
        let text = "no-store beside must-understand is for caches that do not know the latter; this one goes by the status.";
        findings.push(Finding::new("known", "RFC 9111, section 5.2.2.3", text));
    }
    findings
}

fn targeted(response: &HeaderMap) -> Option<Finding> {
    let field = response.contains_key(&CDN_CACHE_CONTROL);
    if field && targeted::of(response, &CDN_CACHE_CONTROL).is_none() {
        let text =
            "CDN-Cache-Control is empty or no dictionary, so it counts as if it were not there.";
        return Some(Finding::new("odd", "RFC 9213, section 2.1", text));
    }
    if field {
        let text = "CDN-Cache-Control counts, in the place of Cache-Control and Expires.";
        return Some(Finding::new("targeted", "RFC 9213, section 2.2", text));
    }
    let surrogate = response.contains_key(&SURROGATE_CONTROL);
    if surrogate && CacheControl::for_this_cache(response).1 {
        let text = "Surrogate-Control counts, in the place of Cache-Control and Expires.";
        return Some(Finding::new("targeted", "W3C, Edge Architecture", text));
    }
    None
}

/// What is odd about one directive.
fn odd(name: &str, value: Option<&str>, again: bool) -> Option<Finding> {
    let mut known = CacheControl::default();
    let is_number = known.seconds(name).is_some();
    let lifetime = "RFC 9111, section 4.2.1";
    // What these two say is for browsers (RFC 8246), and for who changes answers (section 5.2.2.6).
    if matches!(name, "immutable" | "no-transform") {
        return None;
    }
    if !is_number && known.flag(name).is_none() {
        let text = format!(
            "{} is not known here and counts for nothing.",
            printable(name)
        );
        return Some(Finding::new("odd", "RFC 9111, section 5.2.3", text));
    }
    if !is_number {
        return None;
    }
    if again {
        let text = format!("{name} stands there again; the first counts.");
        return Some(Finding::new("odd", lifetime, text));
    }
    let digits = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if value.is_some_and(digits) {
        return None;
    }
    let made = match name {
        "max-age" | "s-maxage" => "the answer is stale at once",
        _ => "it counts for nothing",
    };
    let text = format!(
        "{name} has {:?} where a number of seconds belongs; {made}.",
        printable(value.unwrap_or_default())
    );
    Some(Finding::new("odd", lifetime, text))
}

/// What can be printed of a text, and not too much of it.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
