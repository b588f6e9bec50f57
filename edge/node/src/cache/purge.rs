//! What to drop.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What to drop, as the control stream says it: `{"keys":[..]}`, `{"url":".."}` or `{"all":true}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// All answers under any of these surrogate keys.
    Keys(Vec<String>),
    /// All answers of one URL, `scheme://authority/path?query`.
    Url(String),
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
            All(bool),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Keys(keys) => Ok(Self::Keys(keys)),
            Raw::Url(url) => Ok(Self::Url(url)),
            Raw::All(true) => Ok(Self::All),
            Raw::All(false) => Err(D::Error::custom("all can only be true")),
        }
    }
}

/// The name under which an answer is purged by its URL. A surrogate key cannot begin like this.
pub(super) fn url_tag(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, target) = rest
        .find(['/', '?'])
        .map_or((rest, "/"), |at| rest.split_at(at));
    let authority = authority.to_ascii_lowercase();
    let default = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    let authority = authority.strip_suffix(default).unwrap_or(&authority);
    let slash = if target.starts_with('/') { "" } else { "/" };
    // The scheme is left out: a node behind a TLS terminator knows its own by another one.
    format!(" {authority}{slash}{target}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_the_same_however_it_is_spelt() {
        assert_eq!(url_tag("http://A.example:80/x?y"), " a.example/x?y");
        assert_eq!(url_tag("https://a.example"), " a.example/");
        assert_eq!(url_tag("http://a.example?x"), " a.example/?x");
        assert_eq!(url_tag("http://a.example:8080/"), " a.example:8080/");
    }

    #[test]
    fn lines_of_the_control_stream() {
        let read = |text| serde_json::from_str::<Purge>(text);
        assert_eq!(read(r#"{"all":true}"#).unwrap(), Purge::All);
        assert_eq!(
            read(r#"{"keys":["a"]}"#).unwrap(),
            Purge::Keys(vec!["a".into()])
        );
        assert!(read(r#"{"all":false}"#).is_err() && read(r#"{"x":1}"#).is_err());
    }
}
