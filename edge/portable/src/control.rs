//! What the origin's control plane says, for hosts that poll it: the site's keys and values, and
//! purges. One poll is `GET /control/changes?node=...&after=...&follow=false`; its lines are those that
//! a node follows (`zephyr_edge_pipeline::control`).

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use zephyr_edge_pipeline::control::{Change, Kind};

use crate::cache::{Dropped, Marks};

/// The state that a host keeps of its site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The last change that was taken in.
    pub seq: Option<u64>,
    /// The site's keys and values.
    pub kv: BTreeMap<String, String>,
    /// What has been purged.
    pub marks: Rc<Marks>,
    /// When the origin was last asked, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub polled_ms: u64,
}

/// A poll's answer is not one.
#[derive(Debug)]
pub struct PollError(String);

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PollError {}

impl State {
    /// Path and query of the next poll.
    #[must_use]
    pub fn target(&self, node: &str) -> String {
        let after = self.seq.map(|seq| format!("&after={seq}"));
        format!(
            "/control/changes?node={node}&follow=false{}",
            after.unwrap_or_default()
        )
    }

    /// Takes in a poll's answer, all of it or nothing; tells the keys that have changed, with their
    /// values.
    ///
    /// # Errors
    ///
    /// A line is not understood; nothing has changed then.
    pub fn take(&mut self, body: &[u8]) -> Result<BTreeMap<String, Option<String>>, PollError> {
        let mut next = self.clone();
        let lines = body.split(|byte| *byte == b'\n');
        for (at, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            let change: Change = serde_json::from_slice(line)
                .map_err(|error| PollError(format!("line {}: {error}", at + 1)))?;
            next.apply(change);
        }
        let mut changed = BTreeMap::new();
        for key in self.kv.keys().filter(|key| !next.kv.contains_key(*key)) {
            changed.insert(key.clone(), None);
        }
        for (key, value) in &next.kv {
            if self.kv.get(key) != Some(value) {
                changed.insert(key.clone(), Some(value.clone()));
            }
        }
        *self = next;
        Ok(changed)
    }

    /// Notes a purge.
    pub fn drop(&mut self, what: &Dropped) {
        Rc::make_mut(&mut self.marks).drop(what);
    }

    fn apply(&mut self, change: Change) {
        match change.kind {
            Kind::Hello { kv, reset } => {
                // A log that ends before what this host has is another log.
                let another = self.seq.is_some_and(|known| known > change.seq);
                if reset || another {
                    self.drop(&Dropped::All);
                    self.seq = Some(change.seq);
                }
                self.kv = kv.into_iter().filter(|(key, _)| is_site(key)).collect();
                self.seq.get_or_insert(change.seq);
                return;
            }
            Kind::Purge { purge, .. } => self.drop(&Dropped::from(&purge)),
            Kind::Kv { key, value } => {
                if is_site(&key) {
                    match value {
                        Some(value) => drop(self.kv.insert(key, value)),
                        None => drop(self.kv.remove(&key)),
                    }
                }
            }
            Kind::Ping => {}
        }
        self.seq = Some(change.seq);
    }
}

/// A key outside of `site/` is not the control plane's to write.
fn is_site(key: &str) -> bool {
    key.starts_with("site/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_brings_keys_and_purges() {
        let mut state = State::default();
        assert_eq!(
            state.target("spin"),
            "/control/changes?node=spin&follow=false"
        );
        let hello = br#"{"seq":7,"kind":"hello","kv":{"site/a":"1","other":"x"},"reset":false}
"#;
        let changed = state.take(hello).unwrap();
        assert_eq!(changed["site/a"].as_deref(), Some("1"));
        assert_eq!(changed.len(), 1);
        assert_eq!(
            state.target("spin"),
            "/control/changes?node=spin&follow=false&after=7"
        );
        let before = state.marks.version();
        let more = br#"{"seq":9,"kind":"hello","kv":{"site/b":"2"},"reset":false}
{"seq":8,"kind":"purge","purge":{"keys":["k"]}}
{"seq":9,"kind":"kv","key":"site/c","value":"3"}
"#;
        let changed = state.take(more).unwrap();
        assert_eq!(changed["site/a"], None);
        assert_eq!(changed["site/c"].as_deref(), Some("3"));
        assert_eq!(state.seq, Some(9));
        assert!(state.marks.version() > before);
    }

    #[test]
    fn a_log_of_another_life_drops_everything() {
        let mut state = State::default();
        state.take(br#"{"seq":7,"kind":"hello","kv":{}}"#).unwrap();
        let began = state.marks.version();
        state.take(br#"{"seq":3,"kind":"hello","kv":{}}"#).unwrap();
        assert!(!state.marks.alive(&[], began));
        assert_eq!(state.seq, Some(3));
    }

    #[test]
    fn a_line_that_is_not_understood_changes_nothing() {
        let mut state = State::default();
        state.take(br#"{"seq":7,"kind":"hello","kv":{}}"#).unwrap();
        let before = state.clone();
        let error = state
            .take(b"{\"seq\":8,\"kind\":\"purge\",\"purge\":{\"all\":true}}\n{\"seq\":9}\n")
            .unwrap_err();
        assert!(error.to_string().starts_with("line 2: "), "{error}");
        assert_eq!(state, before);
    }
}
