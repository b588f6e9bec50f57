//! What answers are dropped by: which names an answer has, and which a write drops.

use http::{HeaderMap, StatusCode, Uri};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::purge::Url;
use crate::{groups, invalidate, key};

/// A name of stored answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// A surrogate key, of the whole site.
    Key(&'a str),
    /// A cache group, of one origin (RFC 9875). The scheme is left out, as below.
    Group {
        /// The origin.
        authority: &'a str,
        /// The group.
        group: &'a str,
    },
    /// A URL. The scheme is left out: a node behind a TLS terminator knows its own by another one.
    Url {
        /// The host.
        authority: &'a str,
        /// The path.
        path: &'a str,
        /// The query.
        query: Option<&'a str>,
    },
    /// A folder of a host, and all below it.
    Folder {
        /// The host.
        authority: &'a str,
        /// The path, slashes at both ends.
        path: &'a str,
    },
}

/// An answer has the names of so many folders that it lies in, from the host's own down. Each costs a
/// few bytes; a purge of one that lies deeper drops this one.
pub(crate) const MAX_FOLDERS: usize = 8;

/// The folders that a path lies in: `/`, `/a/`, `/a/b/` for `/a/b/c`.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.take(MAX_FOLDERS).map(|end| &path[..=end])
}

impl Name<'_> {
    /// The name as a text that no other name has. A surrogate key holds no white space, an authority
    /// no slash and no quote.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Key(key) => format!("key {key}"),
            Self::Group { authority, group } => format!("group {authority} {group}"),
            Self::Url {
                authority,
                path,
                query: None,
            } => format!("url {authority}{path}"),
            Self::Url {
                authority,
                path,
                query: Some(query),
            } => format!("url {authority}{path}?{query}"),
            Self::Folder { authority, path } => format!("folder {authority}{path}"),
        }
    }
}

/// Tells all names of an answer: those it has, those filters gave it, its URL, as it was asked for
/// and as filters see it, and the folders that it lies in.
pub fn of_answer<T>(
    authority: &str,
    uri: &Uri,
    filters: &CacheDirectives,
    answer: &HeaderMap,
    tell: impl FnOnce(&mut dyn Iterator<Item = Name<'_>>) -> T,
) -> T {
    let keys = groups::surrogate_keys(answer);
    let of_origin = groups::of(answer);
    let (path, own) = (uri.path(), uri.query());
    let url = |query| Name::Url {
        authority,
        path,
        query,
    };
    let effective = key::effective_query(own, filters);
    let mut names = keys
        .iter()
        .chain(&filters.surrogate_keys)
        .map(|key| Name::Key(key))
        .chain(
            of_origin
                .iter()
                .map(|group| Name::Group { authority, group }),
        )
        .chain([url(own)])
        .chain((effective != own).then(|| url(effective)))
        .chain(folders(path).map(|path| Name::Folder { authority, path }));
    tell(&mut names)
}

/// Tells all names that the answer to an unsafe request drops (RFC 9111, section 4.4; RFC 9875,
/// section 3).
pub fn of_write(
    scheme: &str,
    authority: &str,
    uri: &Uri,
    filters: &CacheDirectives,
    status: StatusCode,
    answer: &HeaderMap,
    mut tell: impl FnMut(Name<'_>),
) {
    if invalidate::has_changed(status) {
        let own = uri.query();
        let effective = key::effective_query(own, filters);
        let queries = std::iter::once(own).chain((effective != own).then_some(effective));
        for query in queries {
            tell(Name::Url {
                authority,
                path: uri.path(),
                query,
            });
        }
        for url in invalidate::also(answer, scheme, authority, uri.path()) {
            tell(Url::of(&url).name());
        }
    }
    for group in groups::invalidated(answer) {
        tell(Name::Group {
            authority,
            group: &group,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields;

    #[test]
    fn an_answer_is_dropped_by_all_its_names() {
        let filters = CacheDirectives {
            surrogate_keys: vec!["listings".to_owned()],
            key_query: Some(Some("b=2".to_owned())),
            ..CacheDirectives::default()
        };
        let answer = fields(&[("surrogate-key", "l-1"), ("cache-groups", "\"g\"")]);
        let uri = Uri::from_static("/a?b=2&c");
        let names = of_answer("x.example", &uri, &filters, &answer, |names| {
            names.map(|name| name.to_text()).collect::<Vec<_>>()
        });
        assert_eq!(
            names,
            [
                "key l-1",
                "key listings",
                "group x.example g",
                "url x.example/a?b=2&c",
                "url x.example/a?b=2",
                "folder x.example/",
            ]
        );
    }

    #[test]
    fn a_path_lies_in_its_folders() {
        let of = |path| folders(path).collect::<Vec<_>>();
        assert_eq!(of("/"), ["/"]);
        assert_eq!(of("/a/b/c"), ["/", "/a/", "/a/b/"]);
        assert_eq!(of("/a/"), ["/", "/a/"]);
        assert_eq!(of("*"), [""; 0]);
        assert_eq!(of(&"/a".repeat(20)).len(), MAX_FOLDERS);
    }

    #[test]
    fn a_write_drops_what_it_names_when_it_has_changed_something() {
        let answer = fields(&[("location", "/a/7"), ("cache-group-invalidation", "\"g\"")]);
        let of = |status| {
            let mut names = Vec::new();
            of_write(
                "http",
                "x.example",
                &Uri::from_static("/a"),
                &CacheDirectives::default(),
                status,
                &answer,
                |name| names.push(name.to_text()),
            );
            names
        };
        assert_eq!(
            of(StatusCode::CREATED),
            ["url x.example/a", "url x.example/a/7", "group x.example g"]
        );
        assert_eq!(of(StatusCode::FORBIDDEN), ["group x.example g"]);
    }
}
