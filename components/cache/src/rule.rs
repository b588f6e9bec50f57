//! Rules about storing: which requests and answers they are about, and what they say of them.

use zephyr_edge_core::pattern::{Captures, PathPattern, RequestMatch, normal_form};
use zephyr_edge_core::{Exchange, Target};

/// Lifetimes in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) ttl: Option<u32>,
    pub(crate) stale_while_revalidate: Option<u32>,
    pub(crate) stale_if_error: Option<u32>,
}

impl Lifetimes {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is said here, else what `other` says.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            ttl: self.ttl.or(other.ttl),
            stale_while_revalidate: self.stale_while_revalidate.or(other.stale_while_revalidate),
            stale_if_error: self.stale_if_error.or(other.stale_if_error),
        }
    }
}

/// A rule about some requests and answers.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) on: RequestMatch,
    /// None: what [`is_usual`] says, for lifetimes; every status, for surrogate keys.
    pub(crate) status: Option<Vec<u16>>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) surrogate_keys: Vec<Template>,
}

impl Rule {
    /// Whether the rule is about a request.
    pub(crate) fn is_about<X: Exchange>(&self, target: &Target<'_, X>) -> bool {
        target.matches(&self.on)
    }

    /// Whether its lifetimes are for answers of this status.
    pub(crate) fn has_lifetimes_for(&self, status: u16) -> bool {
        match &self.status {
            None => is_usual(status),
            Some(list) => lists(list, status),
        }
    }

    /// The surrogate keys of an answer.
    pub(crate) fn keys(&self, status: u16, path: impl FnOnce() -> String, keys: &mut Vec<String>) {
        let about = self.status.as_ref().is_none_or(|list| lists(list, status));
        if self.surrogate_keys.is_empty() || !about {
            return;
        }
        if self.surrogate_keys.iter().all(Template::is_literal) {
            keys.extend(
                self.surrogate_keys
                    .iter()
                    .map(|template| template.fill(None)),
            );
            return;
        }
        let path = path();
        let captures = self
            .on
            .paths
            .iter()
            .flatten()
            .find_map(|pattern| pattern.captures(&path));
        keys.extend(
            self.surrogate_keys
                .iter()
                .map(|template| template.fill(captures.as_ref())),
        );
    }
}

/// Whether answers of this status get the stage's lifetimes when no status is named: successes and
/// permanent redirects. An error that is kept for an hour is an hour of errors, so who wants that
/// says so. 304 renews a stored success.
pub(crate) fn is_usual(status: u16) -> bool {
    matches!(status, 200..=299 | 301 | 304 | 308)
}

/// 304 renews the stored answer, which was a 200.
fn lists(list: &[u16], status: u16) -> bool {
    list.contains(&status) || (status == 304 && list.contains(&200))
}

/// A surrogate key with parameters of the path in it, as in `listing-{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Param(String),
}

impl Template {
    /// Reads a template; every parameter must be one of all these patterns.
    pub(crate) fn parse(text: &str, paths: &[PathPattern]) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{text:?} {why}"));
        if text.is_empty() || text.len() > 256 || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return wrong("is not 1 to 256 visible ASCII characters");
        }
        let mut pieces = Vec::new();
        let mut left = text;
        while let Some((before, after)) = left.split_once('{') {
            let Some((name, rest)) = after.split_once('}') else {
                return wrong("has a brace that is not closed");
            };
            if before.contains('}') {
                return wrong("has a brace that was not opened");
            }
            if paths.is_empty() {
                return wrong("names a parameter, but there are no paths to take it from");
            }
            if let Some(path) = paths
                .iter()
                .find(|path| !path.params().any(|param| param == name))
            {
                return wrong(&format!("names {{{name}}}, which {path} does not have"));
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Param(name.to_owned()));
            left = rest;
        }
        if left.contains('}') {
            return wrong("has a brace that was not opened");
        }
        if !left.is_empty() {
            pieces.push(Piece::Text(left.to_owned()));
        }
        Ok(Self(pieces))
    }

    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// The key. Parameters are put in normal form, so that a purge by the plain spelling finds it.
    pub(crate) fn fill(&self, captures: Option<&Captures<'_, '_>>) -> String {
        let mut key = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Param(name) => {
                    let value = captures.and_then(|captures| captures.get(name));
                    key.push_str(&normal_form(value.unwrap_or_default()));
                }
            }
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_parameters_of_the_path() {
        let paths = [
            PathPattern::parse("/a/{id}").unwrap(),
            PathPattern::parse("/b/{id}/{x}").unwrap(),
        ];
        let template = Template::parse("l-{id}-x", &paths).unwrap();
        assert!(!template.is_literal());
        assert_eq!(template.fill(paths[0].captures("/a/%37").as_ref()), "l-7-x");
        let refused = [
            ("", "visible ASCII"),
            ("a b", "visible ASCII"),
            ("{x}", "which /a/{id} does not have"),
            ("{id", "not closed"),
            ("id}", "not opened"),
            ("}{id}", "not opened"),
        ];
        for (text, why) in refused {
            let error = Template::parse(text, &paths).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(
            Template::parse("{id}", &[])
                .unwrap_err()
                .contains("no paths")
        );
        assert!(Template::parse("plain", &[]).unwrap().is_literal());
    }

    #[test]
    fn usual_statuses_are_successes_and_what_lasts() {
        for status in [200, 203, 204, 301, 304, 308] {
            assert!(is_usual(status), "{status}");
        }
        for status in [302, 307, 400, 401, 404, 429, 500, 503] {
            assert!(!is_usual(status), "{status}");
        }
    }
}
