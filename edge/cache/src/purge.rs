//! What to drop.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::name::{MAX_FOLDERS, Name};

/// What to drop, as the control stream says it: `{"keys":[..]}`, `{"url":".."}`,
/// `{"prefix":".."}` or `{"all":true}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// All answers under any of these surrogate keys.
    Keys(Vec<String>),
    /// All answers of one URL, `scheme://authority/path?query`.
    Url(String),
    /// All answers below a folder, `scheme://authority/path/`. What follows the last slash counts for
    /// nothing, and so do levels below the eighth: then more is dropped than was named.
    Prefix(String),
    /// Everything.
    All,
}

impl<'de> Deserialize<'de> for Purge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Raw {
            Keys(Vec<String>),
            Url(String),
            Prefix(String),
            All(bool),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Keys(keys) => Ok(Self::Keys(keys)),
            Raw::Url(url) => Ok(Self::Url(url)),
            Raw::Prefix(prefix) => Ok(Self::Prefix(prefix)),
            Raw::All(true) => Ok(Self::All),
            Raw::All(false) => Err(D::Error::custom("all can only be true")),
        }
    }
}

/// A URL to purge: the authority in lower case and without the scheme's default port, as the node
/// knows it from requests.
#[derive(Debug, PartialEq, Eq)]
pub struct Url<'a> {
    authority: String,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Reads a URL; what has no scheme is of `http`.
    #[must_use]
    pub fn of(url: &'a str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (authority, target) = rest
            .find(['/', '?'])
            .map_or((rest, ""), |at| rest.split_at(at));
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let mut authority = authority.to_ascii_lowercase();
        let default = if scheme.eq_ignore_ascii_case("https") {
            ":443"
        } else {
            ":80"
        };
        if let Some(host) = authority.strip_suffix(default) {
            authority.truncate(host.len());
        }
        Self {
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        }
    }

    /// The name of all answers in its folder.
    #[must_use]
    pub fn folder(&self) -> Name<'_> {
        let ends = self.path.match_indices('/').map(|(at, _)| at);
        let end = ends.take(MAX_FOLDERS).last().unwrap_or(0);
        Name::Folder {
            authority: &self.authority,
            path: self.path.get(..=end).unwrap_or("/"),
        }
    }

    /// The name of its answers.
    #[must_use]
    pub fn name(&self) -> Name<'_> {
        Name::Url {
            authority: &self.authority,
            path: self.path,
            query: self.query,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_the_same_however_it_is_spelt() {
        let target = |authority: &str, path, query| Url {
            authority: authority.into(),
            path,
            query,
        };
        for (url, expected) in [
            (
                "http://A.example:80/x?y",
                target("a.example", "/x", Some("y")),
            ),
            ("https://a.example:443", target("a.example", "/", None)),
            ("http://a.example:443/", target("a.example:443", "/", None)),
            ("http://a.example?x#f", target("a.example", "/", Some("x"))),
            ("a.example/x?", target("a.example", "/x", Some(""))),
            (
                "http://a.example/x?u=http://b/",
                target("a.example", "/x", Some("u=http://b/")),
            ),
        ] {
            assert_eq!(Url::of(url), expected, "{url}");
        }
    }

    #[test]
    fn a_folder_ends_with_its_last_slash_and_is_not_too_deep() {
        let deep = format!("http://a{}/", "/b".repeat(20));
        let shallow = format!("folder a{}/", "/b".repeat(MAX_FOLDERS - 1));
        for (url, name) in [
            ("http://A.example:80/x/y/", "folder a.example/x/y/"),
            ("http://a.example/x/y", "folder a.example/x/"),
            ("http://a.example", "folder a.example/"),
            ("http://a.example/x/?y=/z/", "folder a.example/x/"),
            (&deep, &shallow),
        ] {
            assert_eq!(Url::of(url).folder().to_text(), name, "{url}");
        }
    }

    #[test]
    fn lines_of_the_control_stream() {
        let read = |text| serde_json::from_str::<Purge>(text);
        assert_eq!(read(r#"{"all":true}"#).unwrap(), Purge::All);
        let keys = read(r#"{"keys":["a"]}"#).unwrap();
        assert_eq!(keys, Purge::Keys(vec!["a".into()]));
        assert_eq!(read(r#"{"url":"x"}"#).unwrap(), Purge::Url("x".into()));
        let prefix = read(r#"{"prefix":"http://a/b/"}"#).unwrap();
        assert_eq!(prefix, Purge::Prefix("http://a/b/".into()));
        for wrong in [
            r#"{"all":false}"#,
            r#"{"x":1}"#,
            "{}",
            r#"{"all":true,"url":"x"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
