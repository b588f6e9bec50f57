//! A host in memory: the policies and the engine without any runtime around them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use zephyr_edge_core::capability::{
    Clock, Decision, KvError, Level, Limit, LimiterError, Log, Random,
};
use zephyr_edge_pipeline::config::UpstreamConfig;
use zephyr_edge_pipeline::{BoxError, ProxyError};

use crate::cache::{Dropped, Marks, Record};
use crate::limits::Counters;
use crate::platform::{HostBody, Local, Platform};

/// What comes of asking an upstream.
pub type Fetched = Local<Result<Response<Bytes>, ProxyError>>;

/// Asks an upstream.
pub type Fetch = dyn Fn(&UpstreamConfig, Request<Bytes>) -> Fetched;

/// The host. Its clock is the system's, moved on by what a test adds.
pub struct Memory {
    fetch: Box<Fetch>,
    now: Box<dyn Fn() -> Duration>,
    kv: RefCell<HashMap<String, Vec<u8>>>,
    counters: RefCell<Counters>,
    stored: RefCell<HashMap<String, (String, Bytes)>>,
    marks: RefCell<Rc<Marks>>,
    random: Cell<u64>,
    detached: RefCell<Vec<Local<()>>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    /// A host that asks its upstreams with `fetch` and takes the time from `now`.
    pub fn new(fetch: Box<Fetch>, now: impl Fn() -> Duration + 'static) -> Self {
        Self {
            fetch,
            now: Box::new(now),
            kv: RefCell::default(),
            counters: RefCell::default(),
            stored: RefCell::default(),
            marks: RefCell::default(),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
            detached: RefCell::default(),
        }
    }

    /// Sets a key as the site does.
    pub fn put(&self, key: &str, value: &[u8]) {
        self.kv.borrow_mut().insert(key.to_owned(), value.to_vec());
    }

    /// What goes on behind the client's back, for the test to run.
    pub fn take_detached(&self) -> Vec<Local<()>> {
        std::mem::take(&mut self.detached.borrow_mut())
    }
}

impl Clock for Memory {
    fn now(&self) -> Duration {
        (self.now)()
    }
}

impl Random for Memory {
    fn fill(&self, buffer: &mut [u8]) {
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

impl Log for Memory {
    fn log(&self, _: Level, _: &str) {}
}

impl HostBody for Bytes {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn length(&self) -> Option<u64> {
        Some(self.len() as u64)
    }

    async fn collect(self, limit: usize) -> Result<Bytes, BoxError> {
        if self.len() > limit {
            return Err("the body is too large".into());
        }
        Ok(self)
    }
}

impl Platform for Memory {
    type Body = Bytes;

    async fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.kv.borrow().get(key).cloned())
    }

    async fn kv_set(&self, key: &str, value: &[u8], _: Option<Duration>) -> Result<(), KvError> {
        self.put(key, value);
        Ok(())
    }

    async fn kv_delete(&self, key: &str) -> Result<(), KvError> {
        self.kv.borrow_mut().remove(key);
        Ok(())
    }

    async fn limit(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        let (decisions, _) = self.counters.borrow_mut().check(self.now(), limits)?;
        Ok(decisions)
    }

    async fn fetch(
        &self,
        upstream: &UpstreamConfig,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ProxyError> {
        (self.fetch)(upstream, request).await
    }

    async fn load(&self, key: &str) -> Option<(Record, Bytes)> {
        let (json, body) = self.stored.borrow().get(key).cloned()?;
        Some((Record::from_json(json.as_bytes())?, body))
    }

    async fn save(&self, key: &str, mut record: Record, _: Duration, body: Bytes) -> Bytes {
        let length = body.len() as u64;
        if record.is_whole(length) {
            record.set_length(length);
            let entry = (record.to_json(), body.clone());
            self.stored.borrow_mut().insert(key.to_owned(), entry);
        }
        body
    }

    async fn remove(&self, key: &str) {
        self.stored.borrow_mut().remove(key);
    }

    async fn marks(&self) -> Rc<Marks> {
        Rc::clone(&self.marks.borrow())
    }

    async fn purge(&self, what: Dropped) {
        Rc::make_mut(&mut self.marks.borrow_mut()).drop(&what);
    }

    fn detach(&self, work: Local<()>) {
        self.detached.borrow_mut().push(work);
    }
}
