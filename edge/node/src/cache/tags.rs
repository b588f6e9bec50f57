//! Names of stored answers, and purging by them: [`zephyr_store::purge`] under the names of HTTP.

use std::time::Duration;

use zephyr_cache::{Freshness, Name};
use zephyr_store::{Kind, Life, Purges};

pub(super) use zephyr_store::Names;

use super::stored::Stored;

/// All names.
#[derive(Debug)]
pub(super) struct Tags(Purges);

/// How long an answer waits for its purges to be written down. When that takes longer the disk is in
/// trouble, and a crash on top of it is what it takes for one of them to come undone.
const PATIENCE: Duration = Duration::from_secs(2);

impl Tags {
    pub(super) fn new(purges: Purges) -> Self {
        Self(purges)
    }

    pub(super) fn purges(&self) -> &Purges {
        &self.0
    }

    /// The moment at which a fetch begins.
    pub(super) fn begin(&self) -> u64 {
        self.0.begin()
    }

    /// The names of an answer whose fetch began then.
    pub(super) fn names<'a>(&self, began: u64, names: impl Iterator<Item = Name<'a>>) -> Names {
        let hashes: Vec<_> = names.map(|name| self.hash(name)).collect();
        self.0.names(began, hashes)
    }

    /// The names of an answer that was found on disk.
    pub(super) fn hashed(&self, began: u64, hashes: Vec<u64>) -> Names {
        self.0.names(began, hashes)
    }

    /// Whether an answer with these names may still be given, be it stale.
    pub(super) fn alive(&self, names: &Names) -> bool {
        self.0.life(names) != Life::Gone
    }

    /// Whether what has these names as well, and whose fetch began then, may still be given.
    pub(super) fn outlives(&self, names: &Names, began: u64) -> bool {
        self.0.purged_at(names) <= began
    }

    /// For how long an answer is fresh: after a soft purge, until that.
    pub(super) fn freshness(&self, stored: &Stored) -> Freshness {
        let mut freshness = stored.freshness;
        if let Life::Stale(since) = self.0.life(&stored.names) {
            let age = freshness.age(Duration::from_secs(since));
            freshness.lifetime = freshness.lifetime.min(age);
        }
        freshness
    }

    /// Purges a name; tells how many answers have it.
    pub(super) fn purge(&self, name: Name<'_>) -> usize {
        self.0.purge(self.hash(name), Kind::Hard).met
    }

    /// Makes what has a name stale; tells how many answers that are.
    pub(super) fn purge_softly(&self, name: Name<'_>, now: Duration) -> usize {
        self.0.purge(self.hash(name), Kind::Soft(now.as_secs())).met
    }

    /// Purges everything.
    pub(super) fn purge_all(&self) {
        self.0.purge_all(Kind::Hard);
    }

    /// Makes everything stale.
    pub(super) fn purge_all_softly(&self, now: Duration) {
        self.0.purge_all(Kind::Soft(now.as_secs()));
    }

    /// Waits until what was purged so far stays purged, whatever happens to this process.
    pub(super) async fn written(&self) {
        let written = self.0.written(self.0.begin());
        if tokio::time::timeout(PATIENCE, written).await.is_err() {
            tracing::warn!("purges wait for the disk");
        }
    }

    /// Forgets of purges what meets nothing any more.
    pub(super) fn compact(&self, oldest: u64) {
        self.0.compact(oldest);
    }

    /// How many answers purges have met so far, about.
    pub(super) fn met(&self) -> usize {
        self.0.met()
    }

    /// A hash that is the same after a restart.
    pub(super) fn hash_of(&self, parts: &[&[u8]]) -> u64 {
        self.0.hashes().hash(parts)
    }

    fn hash(&self, name: Name<'_>) -> u64 {
        match name {
            Name::Key(key) => self.hash_of(&[b"key", key.as_bytes()]),
            Name::Group { authority, group } => {
                self.hash_of(&[b"group", authority.as_bytes(), group.as_bytes()])
            }
            Name::Url {
                authority,
                path,
                query: None,
            } => self.hash_of(&[b"url", authority.as_bytes(), path.as_bytes()]),
            Name::Url {
                authority,
                path,
                query: Some(query),
            } => {
                let (authority, path) = (authority.as_bytes(), path.as_bytes());
                self.hash_of(&[b"url", authority, path, query.as_bytes()])
            }
            Name::Folder { authority, path } => {
                self.hash_of(&[b"folder", authority.as_bytes(), path.as_bytes()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_different_kinds_are_different_names() {
        let tags = Tags::new(Purges::in_memory());
        let url = |query| Name::Url {
            authority: "a",
            path: "x",
            query,
        };
        let group = |authority| Name::Group {
            authority,
            group: "x",
        };
        let with = |name| tags.names(tags.begin(), [name].into_iter());
        let (of_url, of_group, of_key) = (with(url(None)), with(group("a")), with(Name::Key("x")));
        assert_eq!(tags.purge(group("b")) + tags.purge(url(Some(""))), 0);
        assert_eq!(tags.purge(group("a")), 1);
        assert!(tags.alive(&of_url) && tags.alive(&of_key) && !tags.alive(&of_group));
    }
}
