//! Cleaning a query: parameters that do not matter go, the others may be sorted.

use std::borrow::Cow;

use crate::glob::Glob;

/// What becomes of a query.
#[derive(Debug)]
pub(crate) struct QueryRules {
    pub(crate) which: Which,
    pub(crate) sort: bool,
    pub(crate) forward: ForwardQuery,
}

/// Which parameters stay.
#[derive(Debug)]
pub(crate) enum Which {
    /// All but these.
    Drop(Vec<Glob>),
    /// Only these.
    Keep(Vec<Glob>),
}

/// What the upstream is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ForwardQuery {
    /// What the key holds.
    #[default]
    Clean,
    /// What the client asked.
    Original,
}

impl QueryRules {
    /// Whether there is nothing to do at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.which, Which::Drop(globs) if globs.is_empty()) && !self.sort
    }

    /// The clean query; none when the query is clean already. An empty one is to be left out.
    pub(crate) fn clean(&self, query: &str) -> Option<String> {
        let mut params: Vec<&str> = Vec::new();
        params.extend(
            query
                .split('&')
                .filter(|param| !param.is_empty() && self.keeps(param)),
        );
        if self.sort {
            // Stable: the order of values of one name may matter to the origin.
            params.sort_by_key(|param| name(param));
        }
        let clean = params.join("&");
        (clean != query).then_some(clean)
    }

    fn keeps(&self, param: &str) -> bool {
        let name = decoded(name(param));
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(&name));
        match &self.which {
            Which::Drop(globs) => !any(globs),
            Which::Keep(globs) => any(globs),
        }
    }
}

fn name(param: &str) -> &str {
    param.split_once('=').map_or(param, |(name, _)| name)
}

/// A name as the origin will read it, so that `utm%5Fsource` does not slip past.
fn decoded(name: &str) -> Cow<'_, [u8]> {
    let bytes = name.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(bytes);
    }
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut left = bytes;
    while let [first, rest @ ..] = left {
        left = rest;
        match (first, rest) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    left = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*first),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(names: &[&str]) -> Vec<Glob> {
        names
            .iter()
            .map(|name| Glob::try_from((*name).to_owned()).unwrap())
            .collect()
    }

    fn rules(which: Which, sort: bool) -> QueryRules {
        QueryRules {
            which,
            sort,
            forward: ForwardQuery::Clean,
        }
    }

    #[test]
    fn dropped_parameters_go_and_the_rest_stays_as_it_is() {
        let rules = rules(Which::Drop(globs(&["utm_*", "gclid"])), false);
        let cases = [
            ("q=a&utm_source=x", Some("q=a")),
            ("utm_source=x&q=a%20b&utm_medium=y", Some("q=a%20b")),
            ("utm%5fsource=x&q=1", Some("q=1")),
            ("utm_source", Some("")),
            ("gclid=1&gclid=2", Some("")),
            ("q=utm_source=x", None),
            ("b=1&a=2&b=0", None),
            ("a", None),
            ("a&&b", Some("a&b")),
            ("", None),
            ("=x", None),
        ];
        for (query, expected) in cases {
            assert_eq!(rules.clean(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn only_kept_parameters_stay() {
        let rules = rules(Which::Keep(globs(&["q", "page"])), true);
        assert_eq!(
            rules.clean("x=1&q=b&page=2&Q=3").as_deref(),
            Some("page=2&q=b")
        );
        assert_eq!(rules.clean("page=2&q=b"), None);
    }

    #[test]
    fn sorting_keeps_the_order_of_one_name() {
        let rules = rules(Which::Drop(Vec::new()), true);
        assert_eq!(rules.clean("b=2&a=1&b=1").as_deref(), Some("a=1&b=2&b=1"));
        assert_eq!(rules.clean("a=1&b=2&b=1"), None);
    }

    #[test]
    fn names_are_read_as_the_origin_reads_them() {
        let cases = [
            ("a", "a"),
            ("a%62", "ab"),
            ("a+b", "a b"),
            ("%", "%"),
            ("%2", "%2"),
            ("%zz", "%zz"),
        ];
        for (name, expected) in cases {
            assert_eq!(decoded(name).as_ref(), expected.as_bytes(), "{name}");
        }
    }
}
