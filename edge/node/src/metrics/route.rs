//! The counts of one route on one thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::HeaderMap;

use super::histogram::Histogram;

/// The counts of one route on one thread.
#[derive(Debug, Default)]
pub(crate) struct RouteCounts {
    /// By first digit of the status.
    pub(super) classes: [AtomicU64; 6],
    pub(super) took: Histogram,
    pub(super) upstream: Histogram,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) cache: [AtomicU64; CacheResult::ALL.len()],
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// How long the upstream or service took, if it was asked.
    pub(crate) upstream: Option<Duration>,
    /// Bytes of the body sent.
    pub(crate) bytes: u64,
    /// Of a route with a cache.
    pub(crate) cache: Option<CacheResult>,
}

impl RouteCounts {
    /// A request has been answered.
    pub(crate) fn answered(&self, answered: &Answered) {
        self.classes[usize::from(answered.status / 100).min(5)].fetch_add(1, Relaxed);
        self.took.add(answered.took);
        self.sent.fetch_add(answered.bytes, Relaxed);
        if let Some(took) = answered.upstream {
            self.upstream.add(took);
        }
        if let Some(result) = answered.cache {
            self.cache[result as usize].fetch_add(1, Relaxed);
        }
    }

    /// Bytes of a request's body have come.
    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }
}

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheResult {
    /// Answered from the store, fresh.
    Hit,
    /// Answered from the store, not fresh any more.
    Stale,
    /// Answered from the store after the upstream said that nothing has changed.
    Revalidated,
    /// Answered with what another request fetched.
    Collapsed,
    /// Answered by the upstream: nothing that could be used was stored.
    Miss,
    /// Answered by the upstream: the request is not one for the cache.
    Bypass,
}

impl CacheResult {
    pub(super) const ALL: [(Self, &str); 6] = [
        (Self::Hit, "hit"),
        (Self::Stale, "stale"),
        (Self::Revalidated, "revalidated"),
        (Self::Collapsed, "collapsed"),
        (Self::Miss, "miss"),
        (Self::Bypass, "bypass"),
    ];

    /// Out of this node's member of `Cache-Status` (RFC 9211), its last one; none when it has none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let line = headers.get_all("cache-status").iter().next_back()?;
        let name = zephyr_cache::status::NAME.as_bytes();
        let own = &line.as_bytes()[memchr::memmem::rfind(line.as_bytes(), name)?..];
        let has = |part: &[u8]| memchr::memmem::find(own, part).is_some();
        Some(if has(b"; hit") {
            match has(b"; ttl=-") {
                true => Self::Stale,
                false => Self::Hit,
            }
        } else if has(b"; collapsed") {
            Self::Collapsed
        } else if has(b"; fwd-status=304") && has(b"; fwd=stale") {
            Self::Revalidated
        } else if [
            &b"; fwd=uri-miss"[..],
            b"; fwd=vary-miss",
            b"; fwd=stale",
            b"; fwd=partial",
            b"; fwd=miss",
        ]
        .into_iter()
        .any(has)
        {
            Self::Miss
        } else {
            Self::Bypass
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_are_in_their_order() {
        for (index, (result, _)) in CacheResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, index);
        }
    }

    #[test]
    fn the_result_is_read_from_the_nodes_own_member() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append("cache-status", text.parse().unwrap());
            CacheResult::of(&headers)
        };
        for (text, expected) in [
            ("Zephyr; hit; ttl=30", Some(CacheResult::Hit)),
            ("Zephyr; hit; ttl=-3", Some(CacheResult::Stale)),
            (
                "Zephyr; fwd=uri-miss; fwd-status=200; stored",
                Some(CacheResult::Miss),
            ),
            (
                "Zephyr; fwd=uri-miss; collapsed",
                Some(CacheResult::Collapsed),
            ),
            (
                "Zephyr; fwd=stale; fwd-status=304",
                Some(CacheResult::Revalidated),
            ),
            ("Zephyr; fwd=stale; fwd-status=200", Some(CacheResult::Miss)),
            ("Zephyr; fwd=method", Some(CacheResult::Bypass)),
            ("far; hit, Zephyr; fwd=vary-miss", Some(CacheResult::Miss)),
            ("far; hit", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(CacheResult::of(&HeaderMap::new()), None);
    }
}
