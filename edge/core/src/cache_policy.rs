//! What a filter says to the cache about an exchange.

/// Directives to the cache. Said in `on_request` or `on_upstream`; in `on_response` the answer is
/// stored already and they have no effect.
pub trait CachePolicy {
    /// Neither answers from the cache nor stores; the reason appears in `Cache-Status`.
    fn bypass(&mut self, reason: &str);
    /// Takes the place of the freshness lifetime that the answer names itself.
    fn set_ttl(&mut self, seconds: u32);
    /// How long past its lifetime an answer may be served while it is refreshed (RFC 5861).
    fn set_stale_while_revalidate(&mut self, seconds: u32);
    /// How long past its lifetime an answer may be served when the upstream fails (RFC 5861).
    fn set_stale_if_error(&mut self, seconds: u32);
    /// Uses this query in the cache key in place of the request's.
    fn set_key_query(&mut self, query: Option<&str>);
    /// Adds a part to the cache key.
    fn add_key_part(&mut self, part: &str);
    /// Adds surrogate keys under which the answer can be purged.
    fn add_surrogate_keys(&mut self, keys: &[&str]);
}

/// The directives given so far: what every host keeps beside an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheDirectives {
    /// Why the cache is left out, when it is.
    pub bypass: Option<String>,
    /// Freshness lifetime in seconds, over the answer's own.
    pub ttl: Option<u32>,
    /// Seconds of stale-while-revalidate, over the answer's own.
    pub stale_while_revalidate: Option<u32>,
    /// Seconds of stale-if-error, over the answer's own.
    pub stale_if_error: Option<u32>,
    /// The query to use in the key: outer none keeps the request's.
    pub key_query: Option<Option<String>>,
    /// Further parts of the key, in the order given.
    pub key_parts: Vec<String>,
    /// Surrogate keys of the answer.
    pub surrogate_keys: Vec<String>,
}

impl CachePolicy for CacheDirectives {
    fn bypass(&mut self, reason: &str) {
        self.bypass = Some(reason.to_owned());
    }

    fn set_ttl(&mut self, seconds: u32) {
        self.ttl = Some(seconds);
    }

    fn set_stale_while_revalidate(&mut self, seconds: u32) {
        self.stale_while_revalidate = Some(seconds);
    }

    fn set_stale_if_error(&mut self, seconds: u32) {
        self.stale_if_error = Some(seconds);
    }

    fn set_key_query(&mut self, query: Option<&str>) {
        self.key_query = Some(query.map(str::to_owned));
    }

    fn add_key_part(&mut self, part: &str) {
        self.key_parts.push(part.to_owned());
    }

    fn add_surrogate_keys(&mut self, keys: &[&str]) {
        for key in keys.iter().filter(|key| is_surrogate_key(key)) {
            if !self.surrogate_keys.iter().any(|known| known == key) {
                self.surrogate_keys.push((*key).to_owned());
            }
        }
    }
}

/// Whether a text can be a surrogate key: 1 to 256 visible ASCII characters.
#[must_use]
pub fn is_surrogate_key(key: &str) -> bool {
    (1..=256).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogate_keys_are_kept_once_and_only_when_legal() {
        let mut directives = CacheDirectives::default();
        directives.add_surrogate_keys(&["a", "b", "a", "", "has space", &"x".repeat(257)]);
        assert_eq!(directives.surrogate_keys, ["a", "b"]);
    }
}
