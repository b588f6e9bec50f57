//! The keys that are in force: fixed by the configuration, or read from KV and read again when they
//! are old or when a token names one that is not there.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use zephyr_edge_core::Host;
use zephyr_edge_core::capability::Level;

use crate::config::KeySource;
use crate::jwk::{self, Alg, Key};
use crate::token::Token;

/// How soon after a read an unknown `kid`, or a store that failed, may bring about another one.
const RETRY: Duration = Duration::from_secs(1);

/// Keys that belong together.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    /// Differs between any two sets of an instance.
    pub(crate) generation: u64,
    keys: Vec<Key>,
}

impl KeySet {
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token means. `Ok(None)`: there is none of that name.
    pub(crate) fn find(&self, token: &Token<'_>) -> Result<Option<&Key>, &'static str> {
        let key = match (&token.kid, self.keys.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => return Err("the token does not say which key it is signed with"),
            (Some(kid), keys) => {
                let named = || keys.iter().filter(|key| key.kid.as_ref() == Some(kid));
                named()
                    .find(|key| key.alg == token.alg)
                    .or_else(|| named().next())
            }
        };
        // RFC 8725, section 3.1: a key is for one algorithm, whatever the token says.
        match key {
            Some(key) if key.alg != token.alg => {
                Err("the token's algorithm is not that of its key")
            }
            key => Ok(key),
        }
    }
}

/// The keys of a stage.
#[derive(Debug)]
pub(crate) struct Keys {
    kv: Option<(String, Duration)>,
    algorithms: Vec<Alg>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    set: Rc<KeySet>,
    /// What was read last, good or not.
    text: Option<Vec<u8>>,
    read_at: Option<Duration>,
    due: Duration,
    failing: bool,
}

impl Keys {
    pub(crate) fn new(source: KeySource, algorithms: Vec<Alg>) -> Self {
        let (kv, keys) = match source {
            KeySource::Fixed(keys) => (None, keys),
            KeySource::Kv { key, refresh } => (Some((key, refresh)), Vec::new()),
        };
        let set = Rc::new(KeySet {
            generation: 0,
            keys,
        });
        Self {
            kv,
            algorithms,
            state: RefCell::new(State {
                set,
                ..State::default()
            }),
        }
    }

    /// The keys in force at `now`. Asks the host only when they are old.
    pub(crate) async fn current<H: Host>(&self, now: Duration, host: &H) -> Rc<KeySet> {
        if let Some((key, refresh)) = &self.kv {
            let due = self.state.borrow().due;
            // A clock that was set back must not stop the reading.
            if now >= due || due > now + *refresh {
                self.read(key, *refresh, now, host).await;
            }
        }
        self.state.borrow().set.clone()
    }

    /// Other keys than `known`, if the store has any by now: asked when a token names a key that is
    /// not there. At most one read a second, whatever clients send.
    pub(crate) async fn newer<H: Host>(
        &self,
        known: &KeySet,
        now: Duration,
        host: &H,
    ) -> Option<Rc<KeySet>> {
        let (key, refresh) = self.kv.as_ref()?;
        let read_at = self.state.borrow().read_at;
        if read_at.is_none_or(|at| now >= at + RETRY || now < at) {
            self.read(key, *refresh, now, host).await;
        }
        let set = self.state.borrow().set.clone();
        (set.generation != known.generation).then_some(set)
    }

    async fn read<H: Host>(&self, key: &str, refresh: Duration, now: Duration, host: &H) {
        {
            // Before the wait, so that requests beside this one do not read too.
            let mut state = self.state.borrow_mut();
            state.read_at = Some(now);
            state.due = now + refresh;
        }
        let outcome = host.get(key).await;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let complaint = match outcome {
            Ok(text) if text == state.text && state.read_at.is_some() => {
                if text.is_some() {
                    state.failing = false;
                    return;
                }
                "holds no keys".to_owned()
            }
            Ok(Some(text)) => {
                let parsed = jwk::parse_set(&text, &self.algorithms);
                state.text = Some(text);
                state.failing = false;
                match parsed {
                    Ok(keys) => {
                        state.replace(keys);
                        return;
                    }
                    // The last good set stays in force.
                    Err(why) => why,
                }
            }
            Ok(None) => {
                // Deleted on purpose: nothing signed with these keys may pass any more.
                state.text = None;
                state.replace(Vec::new());
                "holds no keys".to_owned()
            }
            Err(error) => error.to_string(),
        };
        if state.set.is_empty() || state.text.is_none() {
            state.due = now + RETRY.min(refresh);
        }
        if !state.failing {
            state.failing = true;
            host.log(
                Level::Warn,
                &format!("auth: the key set {key:?}: {complaint}"),
            );
        }
    }
}

impl State {
    fn replace(&mut self, keys: Vec<Key>) {
        if self.set.keys != keys {
            self.set = Rc::new(KeySet {
                generation: self.set.generation + 1,
                keys,
            });
        }
    }
}
