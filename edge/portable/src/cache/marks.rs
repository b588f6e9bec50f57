//! What has been purged: names with the version at which they were.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zephyr_cache::{Name, Purge};

/// Names remembered. When there are more, the older half is forgotten, and with it everything that
/// was stored before: nothing that might have been purged is given to anybody.
const MAX_NAMES: usize = 2_048;

/// What to drop: marks of names, or everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dropped {
    /// These.
    Names(Vec<String>),
    /// All.
    All,
}

impl From<&Purge> for Dropped {
    fn from(purge: &Purge) -> Self {
        match purge {
            Purge::Keys(keys) => Self::Names(
                keys.iter()
                    .map(|key| Marks::mark_of(&Name::Key(key)))
                    .collect(),
            ),
            Purge::Url(url) => Self::Names(vec![Marks::mark_of(
                &zephyr_cache::purge::Url::of(url).name(),
            )]),
            Purge::Prefix(prefix) => Self::Names(vec![Marks::mark_of(
                &zephyr_cache::purge::Url::of(prefix).folder(),
            )]),
            Purge::All => Self::All,
        }
    }
}

/// Which names have been purged, and when, in versions that count purges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    version: u64,
    /// The version at which everything was.
    all: u64,
    names: BTreeMap<String, u64>,
}

impl Marks {
    /// The version now: an answer fetched from here on remembers it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A name as it is kept: 64 bits of its hash. Two names that collide are purged together, which
    /// costs a fetch.
    #[must_use]
    pub fn mark_of(name: &Name<'_>) -> String {
        hex(&Sha256::digest(name.to_text().as_bytes())[..8])
    }

    /// Notes a purge.
    pub fn drop(&mut self, what: &Dropped) {
        self.version += 1;
        match what {
            Dropped::All => {
                self.all = self.version;
                self.names.clear();
            }
            Dropped::Names(names) => {
                for name in names {
                    self.names.insert(name.clone(), self.version);
                }
            }
        }
        if self.names.len() > MAX_NAMES {
            let mut versions: Vec<u64> = self.names.values().copied().collect();
            versions.sort_unstable();
            let middle = versions[versions.len() / 2];
            self.all = self.all.max(middle);
            self.names.retain(|_, version| *version > middle);
        }
    }

    /// Whether an answer with these names, fetched from version `began` on, may still be given.
    #[must_use]
    pub fn alive(&self, names: &[String], began: u64) -> bool {
        let purged = |name: &String| self.names.get(name).is_some_and(|at| *at > began);
        self.all <= began && began <= self.version && !names.iter().any(purged)
    }
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let text = String::with_capacity(bytes.len() * 2);
    bytes.iter().fold(text, |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> String {
        Marks::mark_of(&Name::Key(name))
    }

    #[test]
    fn what_was_fetched_before_a_purge_is_gone_and_what_came_after_is_not() {
        let mut marks = Marks::default();
        let before = marks.version();
        marks.drop(&Dropped::from(&Purge::Keys(vec!["a".to_owned()])));
        assert!(!marks.alive(&[key("a")], before));
        assert!(marks.alive(&[key("b")], before));
        assert!(marks.alive(&[key("a")], marks.version()));
        marks.drop(&Dropped::All);
        assert!(!marks.alive(&[key("b")], before));
        assert!(marks.alive(&[], marks.version()));
    }

    #[test]
    fn versions_that_have_not_been_are_of_another_life() {
        assert!(!Marks::default().alive(&[], 7));
    }

    #[test]
    fn forgetting_names_forgets_what_was_stored() {
        let mut marks = Marks::default();
        let names: Vec<String> = (0..=MAX_NAMES).map(|n| key(&n.to_string())).collect();
        for name in &names {
            marks.drop(&Dropped::Names(vec![name.clone()]));
        }
        assert!(
            marks.names.len() <= MAX_NAMES / 2 + 1,
            "{}",
            marks.names.len()
        );
        for (at, name) in names.iter().enumerate() {
            assert!(!marks.alive(std::slice::from_ref(name), at as u64));
        }
        assert!(marks.alive(&names, marks.version()));
    }
}
