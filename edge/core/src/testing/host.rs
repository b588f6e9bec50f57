//! [`Host`](crate::Host) in memory, with a clock that the test moves.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::capability::{
    Algorithm, Clock, Decision, KeyError, Kv, KvError, Level, Limit, Limiter, LimiterError, Log,
    Random, Signatures,
};
use crate::gcra::{check_all, nanos, rates};

/// Checks a signature: algorithm, key, message, signature. Tests give a real one.
pub type Verifier = dyn Fn(Algorithm, &[u8], &[u8], &[u8]) -> Result<bool, KeyError>;

/// A value and when it expires.
type Entry = (Vec<u8>, Option<Duration>);

/// All capabilities. The clock stands still until it is moved.
pub struct TestHost {
    now: Cell<Duration>,
    kv: RefCell<HashMap<String, Entry>>,
    tats: RefCell<HashMap<String, u64>>,
    lines: RefCell<Vec<(Level, String)>>,
    verifier: Box<Verifier>,
    random: Cell<u64>,
    unavailable: Cell<bool>,
    calls: RefCell<Vec<&'static str>>,
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// A host at 2026-01-01T00:00:00Z that knows no key of any algorithm.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: Cell::new(Duration::from_secs(1_767_225_600)),
            kv: RefCell::default(),
            tats: RefCell::default(),
            lines: RefCell::default(),
            verifier: Box::new(|_, _, _, _| Err(KeyError("the test gave no verifier".to_owned()))),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
            unavailable: Cell::new(false),
            calls: RefCell::default(),
        }
    }

    /// With a way to check signatures.
    #[must_use]
    pub fn with_verifier(
        mut self,
        verifier: impl Fn(Algorithm, &[u8], &[u8], &[u8]) -> Result<bool, KeyError> + 'static,
    ) -> Self {
        self.verifier = Box::new(verifier);
        self
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Duration) {
        self.now.set(now);
    }

    /// Puts a key into the store as the site does: `site/` keys too.
    pub fn put(&self, key: &str, value: &[u8]) {
        self.kv
            .borrow_mut()
            .insert(key.to_owned(), (value.to_owned(), None));
    }

    /// Takes a key out of the store as the site does.
    pub fn remove(&self, key: &str) {
        self.kv.borrow_mut().remove(key);
    }

    /// Whether store and counters are out of reach.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.set(unavailable);
    }

    /// What was logged.
    #[must_use]
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.lines.borrow().clone()
    }

    /// The capabilities called so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.calls.borrow_mut().clear();
    }

    fn called(&self, what: &'static str) {
        self.calls.borrow_mut().push(what);
    }

    fn kv_call(&self, what: &'static str, key: &str, writes: bool) -> Result<(), KvError> {
        self.called(what);
        if key.is_empty() || key.len() > 512 {
            return Err(KvError::Invalid(
                "the key must be 1 to 512 bytes long".to_owned(),
            ));
        }
        if writes && key.starts_with("site/") {
            return Err(KvError::Invalid(
                "keys below site/ are read-only".to_owned(),
            ));
        }
        if self.unavailable.get() {
            return Err(KvError::Unavailable("the test says so".to_owned()));
        }
        Ok(())
    }
}

impl Clock for TestHost {
    fn now(&self) -> Duration {
        self.called("now");
        self.now.get()
    }
}

impl Random for TestHost {
    fn fill(&self, buffer: &mut [u8]) {
        self.called("random");
        for byte in buffer {
            // xorshift64: the same bytes on every run.
            let mut state = self.random.get();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.random.set(state);
            *byte = state.to_le_bytes()[0];
        }
    }
}

impl Log for TestHost {
    fn log(&self, level: Level, message: &str) {
        self.called("log");
        self.lines.borrow_mut().push((level, message.to_owned()));
    }
}

impl Kv for TestHost {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.kv_call("kv.get", key, false)?;
        let live = |until: &Option<Duration>| until.is_none_or(|until| self.now.get() < until);
        let store = self.kv.borrow();
        Ok(store
            .get(key)
            .filter(|(_, until)| live(until))
            .map(|(value, _)| value.clone()))
    }

    async fn set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
        self.kv_call("kv.set", key, true)?;
        if value.len() > 1 << 20 {
            return Err(KvError::Invalid(
                "the value is larger than 1 MiB".to_owned(),
            ));
        }
        let until = ttl.map(|ttl| self.now.get() + ttl);
        self.kv
            .borrow_mut()
            .insert(key.to_owned(), (value.to_owned(), until));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), KvError> {
        self.kv_call("kv.delete", key, true)?;
        self.kv.borrow_mut().remove(key);
        Ok(())
    }
}

impl Limiter for TestHost {
    async fn check(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        self.called("limiter.check");
        let rates = rates(limits)?;
        if self.unavailable.get() {
            return Err(LimiterError::Unavailable("the test says so".to_owned()));
        }
        let mut store = self.tats.borrow_mut();
        let tats: Vec<Option<u64>> = limits.iter().map(|l| store.get(&l.key).copied()).collect();
        let outcomes = check_all(&tats, nanos(self.now.get()), &rates);
        for (limit, outcome) in limits.iter().zip(&outcomes) {
            if let Some(tat) = outcome.tat {
                store.insert(limit.key.clone(), tat);
            }
        }
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.decision)
            .collect())
    }
}

impl Signatures for TestHost {
    async fn verify(
        &self,
        algorithm: Algorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        self.called("signatures.verify");
        (self.verifier)(algorithm, key, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;

    #[test]
    fn keys_expire_and_the_sites_are_read_only() {
        let host = TestHost::new();
        host.put("site/a", b"1");
        assert_eq!(run(host.get("site/a")), Ok(Some(b"1".to_vec())));
        assert!(matches!(
            run(Kv::set(&host, "site/a", b"2", None)),
            Err(KvError::Invalid(_))
        ));
        run(Kv::set(&host, "b", b"2", Some(Duration::from_secs(1)))).unwrap();
        assert_eq!(run(host.get("b")), Ok(Some(b"2".to_vec())));
        host.advance(Duration::from_secs(1));
        assert_eq!(run(host.get("b")), Ok(None));
        host.set_unavailable(true);
        assert!(matches!(run(host.get("b")), Err(KvError::Unavailable(_))));
    }

    #[test]
    fn limits_count_all_or_none() {
        let host = TestHost::new();
        let limit = |key: &str, burst| Limit {
            key: key.to_owned(),
            count: 1,
            period: Duration::from_secs(1),
            burst,
            cost: 1,
        };
        let limits = [limit("wide", 5), limit("narrow", 1)];
        assert!(
            run(host.check(&limits))
                .unwrap()
                .iter()
                .all(|decision| decision.allowed)
        );
        let second = run(host.check(&limits)).unwrap();
        assert_eq!((second[0].allowed, second[0].remaining), (true, 4));
        assert_eq!((second[1].allowed, second[1].remaining), (false, 0));
        host.advance(Duration::from_secs(1));
        assert!(run(host.check(&limits)).unwrap()[1].allowed);
    }
}
