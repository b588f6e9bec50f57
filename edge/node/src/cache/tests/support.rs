//! An upstream with a script, and a site behind a cache.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet};
use zephyr_edge_core::cache_policy::CacheDirectives;

use crate::body::Body;
use crate::cache::clock::Clock;
use crate::cache::{Cache, CacheConfig, Fetch};
use crate::error::{BoxError, ProxyError, Source};
use crate::exchange::Exchange;

pub(super) type Fields = Vec<(&'static str, &'static str)>;
pub(super) type Chunk = Result<Bytes, BoxError>;

pub(super) const FRESH: (&str, &str) = ("cache-control", "max-age=60");

/// What the upstream answers next.
pub(super) enum Next {
    Answer(u16, Fields, &'static str),
    /// A body in chunks that the test sends.
    Chunks(Fields, UnboundedReceiver<Chunk>),
    /// The same, with the status 206.
    Part(Fields, UnboundedReceiver<Chunk>),
    Down,
}

fn in_chunks(receiver: UnboundedReceiver<Chunk>) -> Body {
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        let chunk = receiver.recv().await?;
        Some((chunk.map(Frame::data), receiver))
    });
    Body::stream(StreamBody::new(Box::pin(stream)))
}

/// An answer in chunks, and where to send them.
pub(super) fn chunks(fields: Fields) -> (UnboundedSender<Chunk>, Next) {
    let (sender, receiver) = unbounded_channel();
    (sender, Next::Chunks(fields, receiver))
}

/// The upstream.
#[derive(Default)]
pub(super) struct Script {
    pub(super) next: RefCell<VecDeque<Next>>,
    pub(super) seen: RefCell<Vec<HeaderMap>>,
    /// When set, answers wait for a permit.
    pub(super) gate: Option<Semaphore>,
    /// Trips that have begun.
    pub(super) inside: Cell<usize>,
    /// What `on-upstream` filters say.
    pub(super) filters: RefCell<Option<CacheDirectives>>,
    /// What it answers with when there is nothing next.
    pub(super) whole: RefCell<Option<Whole>>,
}

/// A file, of which ranges can be asked for.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) tag: &'static str,
    pub(super) fields: Fields,
    pub(super) bytes: Bytes,
}

impl Whole {
    pub(super) fn new(tag: &'static str, length: usize) -> Self {
        // No two stretches of a slice's length are the same.
        let text = (0..).flat_map(|number| format!("{tag}{number:07} ").into_bytes());
        Self {
            tag,
            fields: vec![FRESH],
            bytes: text.take(length).collect(),
        }
    }

    fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let has = |name| request.get(name).map(|value| value.to_str().unwrap());
        let mut response = Response::builder()
            .header("etag", self.tag)
            .header("accept-ranges", "bytes");
        for (name, value) in &self.fields {
            response = response.header(*name, *value);
        }
        if has("if-match").is_some_and(|tag| tag != self.tag) {
            return response.status(412).body(Body::Empty).unwrap();
        }
        if has("if-none-match") == Some(self.tag) {
            return response.status(304).body(Body::Empty).unwrap();
        }
        let length = self.bytes.len();
        let same = has("if-range").is_none_or(|tag| tag == self.tag);
        let range = has("range").filter(|_| same).and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            let last = last.parse().unwrap_or(length - 1).min(length - 1);
            match first.parse() {
                Ok(first) => Some((first, last)),
                Err(_) => Some((length - last, length - 1)),
            }
        });
        let (bytes, response) = match range {
            Some((first, last)) => {
                let told = format!("bytes {first}-{last}/{length}");
                let response = response.status(206).header("content-range", told);
                (self.bytes.slice(first..=last), response)
            }
            None => (self.bytes.clone(), response),
        };
        let response = response.header("content-length", bytes.len());
        response.body(Body::full(bytes)).unwrap()
    }
}

#[async_trait(?Send)]
impl Fetch for Script {
    async fn fetch(
        &self,
        x: &mut Exchange,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        self.seen.borrow_mut().push(request.headers().clone());
        self.inside.set(self.inside.get() + 1);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        if let Some(filters) = &*self.filters.borrow() {
            x.cache = filters.clone();
        }
        let next = self.next.borrow_mut().pop_front();
        if next.is_none()
            && let Some(whole) = &*self.whole.borrow()
        {
            return Ok(whole.answer(request.headers()));
        }
        let (status, fields, body) = match next.expect("one more request than expected") {
            Next::Answer(status, fields, body) => (status, fields, Body::full(body)),
            Next::Chunks(fields, receiver) => (200, fields, in_chunks(receiver)),
            Next::Part(fields, receiver) => (206, fields, in_chunks(receiver)),
            Next::Down => {
                let status = http::StatusCode::BAD_GATEWAY;
                return Err(ProxyError::new(Source::Upstream, status, "down"));
            }
        };
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(name, value);
        }
        Ok(response.body(body).unwrap())
    }
}

/// A cache, an upstream and a clock.
pub(super) struct Site {
    pub(super) cache: Arc<Cache>,
    pub(super) script: Rc<Script>,
    fetch: Rc<dyn Fetch>,
    clock: Arc<AtomicU64>,
    pub(super) filters: CacheDirectives,
}

/// An answer: status, `Cache-Status` without the name, body.
pub(super) type Seen = (u16, String, String);

pub(super) const CONFIG: CacheConfig = CacheConfig {
    max_bytes: 8 << 20,
    max_object_bytes: 64 << 10,
    slice_bytes: 16 << 10,
    max_variants: 4,
    collapse_timeout: Duration::from_secs(30),
    status_key: false,
};

impl Site {
    pub(super) fn with(config: CacheConfig, script: Script) -> Self {
        let clock = Arc::new(AtomicU64::new(1_795_000_000));
        let cache = Cache::with_clock(config, Clock::Set(Arc::clone(&clock)));
        Self::of(cache, clock, script)
    }

    /// A site behind a cache that others use as well.
    pub(super) fn of(cache: Arc<Cache>, clock: Arc<AtomicU64>, script: Script) -> Self {
        let script = Rc::new(script);
        Self {
            cache,
            fetch: Rc::clone(&script) as Rc<dyn Fetch>,
            script,
            clock,
            filters: CacheDirectives::default(),
        }
    }

    pub(super) fn new(next: Vec<Next>) -> Self {
        let next = RefCell::new(next.into());
        Self::with(
            CONFIG,
            Script {
                next,
                ..Script::default()
            },
        )
    }

    /// A site whose upstream answers when it is let.
    pub(super) fn gated(next: Vec<Next>) -> Rc<Self> {
        let script = Script {
            next: RefCell::new(next.into()),
            gate: Some(Semaphore::new(0)),
            ..Script::default()
        };
        Rc::new(Self::with(CONFIG, script))
    }

    pub(super) fn open(&self, answers: usize) {
        self.script.gate.as_ref().unwrap().add_permits(answers);
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn exchange(&self, request: http::request::Builder) -> Exchange {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Exchange {
            id: "r".into(),
            client: [127, 0, 0, 1].into(),
            scheme: "http",
            authority: "a.example".into(),
            route: "all".into(),
            request: parts,
            response: None,
            pending: Vec::new(),
            cache: self.filters.clone(),
        }
    }

    /// The answer's head, and its body to be read.
    pub(super) async fn begin(
        &self,
        request: http::request::Builder,
    ) -> Result<(http::response::Parts, Body), ProxyError> {
        let mut x = self.exchange(request);
        self.cache.serve(&mut x, Body::Empty, &self.fetch).await
    }

    pub(super) async fn ask(&self, request: http::request::Builder) -> (Seen, HeaderMap) {
        match self.begin(request).await {
            Ok((parts, body)) => {
                let told = told(&parts.headers);
                let text = read(body).await;
                ((parts.status.as_u16(), told, text), parts.headers)
            }
            Err(error) => {
                let seen = (
                    error.status.as_u16(),
                    String::new(),
                    error.detail.to_owned(),
                );
                (seen, HeaderMap::new())
            }
        }
    }

    pub(super) async fn get(&self, path: &str) -> Seen {
        self.ask(Request::get(path)).await.0
    }

    pub(super) fn spawn_get(self: &Rc<Self>, path: &'static str) -> JoinHandle<Seen> {
        let site = Rc::clone(self);
        tokio::task::spawn_local(async move { site.get(path).await })
    }

    pub(super) fn trips(&self) -> usize {
        self.script.seen.borrow().len()
    }
}

pub(super) fn told(headers: &HeaderMap) -> String {
    let told = headers.get("cache-status");
    let told = told.map_or("", |value| value.to_str().unwrap());
    told.strip_prefix("Zephyr; ").unwrap_or(told).to_owned()
}

pub(super) async fn read(body: Body) -> String {
    match body.collect().await {
        Ok(body) => String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        Err(_) => "broken".to_owned(),
    }
}

pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Lets everything that can go on go on.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
