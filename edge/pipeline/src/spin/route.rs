//! Routes of HTTP triggers: `/exact`, `/:name` for one segment, `/...` at the end for the rest.

use crate::router::PathPattern;

/// A route of a Spin application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpinRoute {
    /// As the manifest writes it.
    raw: String,
    segments: Vec<Segment>,
    wildcard: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    One(String),
}

impl SpinRoute {
    pub(super) fn parse(raw: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{raw:?} is not a route: {why}"));
        let Some(path) = raw.strip_prefix('/') else {
            return refuse("it must begin with `/`");
        };
        let (path, wildcard) = match path {
            "..." | "*" => ("", true),
            _ => match path.strip_suffix("/...").or(path.strip_suffix("/*")) {
                Some(path) => (path, true),
                None => (path.strip_suffix('/').unwrap_or(path), false),
            },
        };
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|_| !path.is_empty()) {
            segments.push(match segment.strip_prefix(':') {
                Some(name) => {
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                    if name.is_empty() || !name.bytes().all(plain) {
                        return refuse("a name behind `:` is letters, digits and `_`");
                    }
                    Segment::One(name.to_owned())
                }
                None if segment == "..." || segment.contains('*') => {
                    return refuse("`/...` must be at its end");
                }
                None if segment.is_empty() => return refuse("it has an empty segment"),
                None => Segment::Literal(segment.to_owned()),
            });
        }
        let route = Self {
            raw: raw.to_owned(),
            segments,
            wildcard,
        };
        // Says what else is wrong with a segment.
        route.pattern("").map_err(|why| format!("{raw:?}: {why}"))?;
        Ok(route)
    }

    /// The node's patterns of what the route means, most particular first. A slash at the end of a
    /// path makes no difference. Another route may have said one of those behind the first before:
    /// that one wins.
    pub(super) fn patterns(&self) -> Result<Vec<PathPattern>, String> {
        let ends: &[&str] = match (self.wildcard, self.segments.is_empty()) {
            (false, true) => &["/"],
            (false, false) => &["", "/"],
            (true, true) => &["/{*zephyr_rest}", "/"],
            (true, false) => &["/{*zephyr_rest}", "", "/"],
        };
        ends.iter().map(|end| self.pattern(end)).collect()
    }

    fn pattern(&self, end: &str) -> Result<PathPattern, String> {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::One(name) => {
                    text.push('{');
                    text.push_str(name);
                    text.push('}');
                }
            }
        }
        text.push_str(end);
        if text.is_empty() {
            text.push('/');
        }
        text.parse()
    }

    /// Whether the route ends with `/...`.
    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The route as the manifest writes it.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The route without `/...` at its end.
    pub fn prefix(&self) -> &str {
        self.raw.strip_suffix("/...").unwrap_or(&self.raw)
    }

    /// What of a path that matches stands for `/...`: empty, or from the slash on.
    pub fn rest<'a>(&self, path: &'a str) -> &'a str {
        if !self.wildcard {
            return "";
        }
        let mut rest = path;
        for _ in &self.segments {
            rest = rest.strip_prefix('/').unwrap_or(rest);
            rest = &rest[rest.find('/').unwrap_or(rest.len())..];
        }
        rest
    }

    /// Names and values of the single segments in a path that matches.
    pub fn captures<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let both = self.segments.iter().zip(path.split('/'));
        both.filter_map(|(segment, value)| match segment {
            Segment::One(name) => Some((name.as_str(), value)),
            Segment::Literal(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> SpinRoute {
        SpinRoute::parse(text).unwrap()
    }

    #[test]
    fn what_a_path_leaves_for_the_wildcard() {
        for (text, path, rest) in [
            ("/...", "/", "/"),
            ("/...", "/a/b", "/a/b"),
            ("/foo/...", "/foo", ""),
            ("/foo/...", "/foo/", "/"),
            ("/foo/...", "/foo/bar/", "/bar/"),
            ("/:user/x/...", "/anna/x/y", "/y"),
            ("/foo", "/foo", ""),
        ] {
            assert_eq!(route(text).rest(path), rest, "{text} {path}");
        }
    }

    #[test]
    fn single_segments_are_named() {
        let users = route("/users/:id/posts/:post");
        let captures: Vec<_> = users.captures("/users/7/posts/a%2Fb").collect();
        assert_eq!(captures, [("id", "7"), ("post", "a%2Fb")]);
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for bad in [
            "", "foo", "/.../a", "/:", "/:a-b", "/a//b", "/ü", "/a?b", "/:a/:a",
        ] {
            assert!(SpinRoute::parse(bad).is_err(), "{bad}");
        }
    }
}
