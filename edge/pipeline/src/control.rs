//! Lines of the control stream.

use std::collections::BTreeMap;

use serde::Deserialize;
use zephyr_cache::Purge;

/// One line. Unknown fields are let pass, so that a newer origin can say more.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// Its place in the log; of a ping: the head of the log.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a line says.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// The first line: all keys and values of the site.
    Hello {
        /// Keys with their values.
        #[serde(default)]
        kv: BTreeMap<String, String>,
        /// Whether the log no longer reaches back to what was asked for.
        #[serde(default)]
        reset: bool,
    },
    /// Stored answers to drop.
    Purge {
        /// What to drop.
        purge: Purge,
        /// Whether it is to become stale only. A host that cannot do that drops it.
        #[serde(default)]
        soft: bool,
    },
    /// A key that has changed; without a value it is gone.
    Kv {
        /// The key.
        key: String,
        /// Its value.
        value: Option<String>,
    },
    /// Nothing, in time.
    Ping,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let parse = |line| serde_json::from_str::<Change>(line).unwrap();
        let hello = parse(r#"{"seq":42,"kind":"hello","kv":{"site/jwks":"x"},"reset":false}"#);
        assert!(matches!(hello.kind, Kind::Hello { kv, reset: false } if kv["site/jwks"] == "x"));
        let purge = parse(r#"{"seq":43,"kind":"purge","purge":{"keys":["listings"]}}"#);
        assert!(
            matches!(purge.kind, Kind::Purge { purge: Purge::Keys(keys), .. } if keys == ["listings"])
        );
        let all = parse(r#"{"seq":43,"kind":"purge","purge":{"all":true}}"#);
        assert!(matches!(
            all.kind,
            Kind::Purge {
                purge: Purge::All,
                soft: false
            }
        ));
        let url = parse(r#"{"seq":43,"kind":"purge","purge":{"url":"http://h/p?q"}}"#);
        assert!(
            matches!(url.kind, Kind::Purge { purge: Purge::Url(url), .. } if url == "http://h/p?q")
        );
        let gone = parse(r#"{"seq":44,"kind":"kv","key":"site/a","value":null}"#);
        assert!(matches!(gone.kind, Kind::Kv { value: None, .. }));
        assert!(matches!(
            parse(r#"{"seq":44,"kind":"ping"}"#).kind,
            Kind::Ping
        ));
    }

    #[test]
    fn what_a_node_does_not_understand_is_an_error() {
        for line in [
            r#"{"seq":1,"kind":"other"}"#,
            r#"{"kind":"ping"}"#,
            "",
            "[]",
        ] {
            assert!(serde_json::from_str::<Change>(line).is_err(), "{line}");
        }
    }
}
