//! What a write makes stale (RFC 9111, section 4.4).

use http::{HeaderMap, Method, StatusCode, Uri, header};

/// Whether the method can change something (RFC 9110, section 9.2.1). Unknown methods can.
#[must_use]
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// Whether the answer says that something has changed.
#[must_use]
pub fn has_changed(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// URLs of the same origin that the answer names, in the form `scheme://authority/path?query`:
/// nobody may make another site's answers stale.
#[must_use]
pub fn also(response: &HeaderMap, scheme: &str, authority: &str, path: &str) -> Vec<String> {
    [header::LOCATION, header::CONTENT_LOCATION]
        .iter()
        .filter_map(|name| response.get(name)?.to_str().ok())
        .filter_map(|target| resolve(target, scheme, authority, path))
        .collect()
}

/// Whether the answer's content is what its own URL names (RFC 9110, section 9.3.3): an answer to
/// POST then stands for a GET.
#[must_use]
pub fn names_itself(response: &HeaderMap, scheme: &str, authority: &str, uri: &Uri) -> bool {
    let mut lines = response.get_all(header::CONTENT_LOCATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let own = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    let target = line
        .to_str()
        .ok()
        .and_then(|line| resolve(line, scheme, authority, uri.path()));
    target.is_some_and(|target| target == format!("{scheme}://{authority}{own}"))
}

fn resolve(target: &str, scheme: &str, authority: &str, path: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    if let Some(rest) = target.strip_prefix("//") {
        return resolve(&format!("{scheme}://{rest}"), scheme, authority, path);
    }
    if target.starts_with('/') {
        return Some(format!("{scheme}://{authority}{}", without_dots(target)));
    }
    let scheme_like = target.split(['/', '?']).next().unwrap_or_default();
    if scheme_like.ends_with(':') && target[scheme_like.len()..].starts_with("//") {
        let uri: Uri = target.parse().ok()?;
        let same = uri.scheme_str() == Some(scheme)
            && uri
                .authority()
                .is_some_and(|other| is_same(other.as_str(), scheme, authority));
        let target = uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        return same.then(|| format!("{scheme}://{authority}{}", without_dots(target)));
    }
    if target.is_empty() || scheme_like.contains(':') {
        return None;
    }
    if target.starts_with('?') {
        return Some(format!("{scheme}://{authority}{path}{target}"));
    }
    // Relative to the request's path, without its last segment.
    let folder = &path[..=path.rfind('/')?];
    let target = without_dots(&format!("{folder}{target}"));
    Some(format!("{scheme}://{authority}{target}"))
}

/// Whether an authority is this one, which is without its scheme's own port.
fn is_same(other: &str, scheme: &str, authority: &str) -> bool {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let other = other.strip_suffix(port).unwrap_or(other);
    other.eq_ignore_ascii_case(authority)
}

/// A path and query without dot segments (RFC 3986, section 5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(segment) = rest.next() {
        let last = rest.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            segment => {
                segments.push(segment);
                continue;
            }
        }
        if last {
            segments.push("");
        }
    }
    let mut out = format!("/{}", segments.join("/"));
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn named(location: &'static str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static(location));
        also(&headers, "http", "a.example", "/x/y")
    }

    #[test]
    fn only_the_same_origin_is_made_stale() {
        assert_eq!(named("/b?c#d"), ["http://a.example/b?c"]);
        assert_eq!(named("http://A.example/b"), ["http://a.example/b"]);
        assert_eq!(named("z"), ["http://a.example/x/z"]);
        for (target, expected) in [
            ("../z", "/z"),
            ("../../z", "/z"),
            ("./z/./a/../b?c=../d", "/x/z/b?c=../d"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("..", "/"),
            ("?z", "/x/y?z"),
            ("z?a:b", "/x/z?a:b"),
            ("z?u=http://b.example/", "/x/z?u=http://b.example/"),
            ("http://a.example:80/b", "/b"),
        ] {
            assert_eq!(
                named(target),
                [format!("http://a.example{expected}")],
                "{target}"
            );
        }
        assert_eq!(named("//a.example/b"), ["http://a.example/b"]);
        for foreign in [
            "http://b.example/b",
            "https://a.example/b",
            "//b.example/",
            "mailto:a",
            "http://a.example:443/b",
            "://a.example/b",
            "",
        ] {
            assert!(named(foreign).is_empty(), "{foreign}");
        }
    }

    #[test]
    fn an_answer_may_be_what_its_own_url_names() {
        let uri = Uri::from_static("/x/y?z");
        let names = |location: &str| {
            let headers = crate::fields(&[("content-location", location)]);
            names_itself(&headers, "http", "a.example", &uri)
        };
        for own in [
            "/x/y?z",
            "y?z",
            "http://A.example/x/y?z",
            "//a.example/x/y?z",
        ] {
            assert!(names(own), "{own}");
        }
        for other in ["/x/y", "/x/y?Z", "https://a.example/x/y?z", ""] {
            assert!(!names(other), "{other}");
        }
    }

    #[test]
    fn unsafe_methods() {
        assert!(is_unsafe(&Method::POST) && is_unsafe(&Method::from_bytes(b"PURGE").unwrap()));
        assert!(!is_unsafe(&Method::GET) && !is_unsafe(&Method::OPTIONS));
        assert!(has_changed(StatusCode::CREATED) && !has_changed(StatusCode::NOT_FOUND));
    }

    proptest! {
        #[test]
        fn no_target_is_too_odd(target in "[a-c./?:#]{0,20}") {
            let headers = crate::fields(&[("location", &target)]);
            for url in also(&headers, "http", "a.example", "/x/y") {
                prop_assert!(url.starts_with("http://a.example/"), "{}", url);
            }
        }
    }
}
