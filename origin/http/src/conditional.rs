//! Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use zephyr_origin_core::ApiError;

use crate::Failure;

/// A strong entity tag of these characters. They must be legal in one: visible ASCII, no `"`.
#[must_use]
pub fn etag(opaque: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{opaque}\"")).expect("the tag is visible ASCII")
}

/// Whether `If-None-Match` names the tag, so that a GET is answered with 304 (section 13.1.2).
#[must_use]
pub fn not_modified(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    let etag = etag.as_bytes();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(tags)
        .any(|tag| {
            // Weak comparison (section 8.8.3.2).
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag
        })
}

/// The tags of a list. A comma may stand within a tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return None;
        }
        let quote = rest.find('"').filter(|at| *at <= 2);
        let end = match quote.and_then(|at| rest[at + 1..].find('"').map(|end| at + end + 2)) {
            Some(end) => end,
            None => rest.find(',').unwrap_or(rest.len()),
        };
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag.trim())
    })
}

/// `If-Match`: which state of a resource a write is meant for. Without it a write gets 428
/// (RFC 6585, section 3), because it could undo what it has not seen.
#[derive(Clone, Debug)]
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// Makes sure that the write is meant for this state.
    ///
    /// # Errors
    ///
    /// 412.
    pub fn check(&self, etag: &HeaderValue) -> Result<(), ApiError> {
        // Strong comparison: a weak tag matches nothing (section 13.1.1).
        let matches = |tag: &String| tag == "*" || tag.as_bytes() == etag.as_bytes();
        if self.0.iter().any(matches) {
            return Ok(());
        }
        let detail = "It has changed since you read it; read it again and repeat your change.";
        Err(ApiError::precondition_failed(detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let lines = parts.headers.get_all(header::IF_MATCH).iter();
        let tags: Vec<String> = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(tags)
            .map(str::to_owned)
            .collect();
        if tags.is_empty() {
            let detail = "Send If-Match with the ETag of the state that you change.";
            return Err(ApiError::precondition_required(detail).into());
        }
        Ok(Self(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_get_is_not_modified_when_a_tag_matches() {
        let tag = etag(7);
        for (sent, expected) in [
            ("\"7\"", true),
            ("W/\"7\"", true),
            ("\"6\", \"7\"", true),
            ("*", true),
            ("\"6\"", false),
            ("\"6,\"7\"", false),
            ("\"a,b\", \"7\"", true),
            ("7", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(sent));
            assert_eq!(not_modified(&headers, &tag), expected, "{sent}");
        }
        assert!(!not_modified(&HeaderMap::new(), &tag));
    }

    #[test]
    fn a_write_needs_the_very_state() {
        assert!(IfMatch(vec!["\"7\"".into()]).check(&etag(7)).is_ok());
        assert!(IfMatch(vec!["W/\"7\"".into()]).check(&etag(7)).is_err());
        assert!(IfMatch(vec!["\"8\"".into()]).check(&etag(7)).is_err());
    }
}
