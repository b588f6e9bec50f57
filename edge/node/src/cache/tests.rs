//! The way through the cache, with an upstream that answers as it is told. Answers come with an
//! `Age`, so that no test waits for one to become stale.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::{Cache, CacheConfig, Fetch, Purge};
use crate::body::Body;
use crate::error::{BoxError, ProxyError, Source};
use crate::exchange::Exchange;

/// What the upstream answers next.
enum Next {
    Answer(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// A body that breaks off after these bytes.
    Broken(&'static str),
    Down,
}

/// The upstream.
#[derive(Default)]
struct Script {
    next: RefCell<VecDeque<Next>>,
    seen: RefCell<Vec<HeaderMap>>,
    /// When set, answers wait for a permit.
    gate: Option<Semaphore>,
    inside: Cell<usize>,
}

#[async_trait(?Send)]
impl Fetch for Script {
    async fn fetch(
        &self,
        _: &mut Exchange,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        self.seen.borrow_mut().push(request.headers().clone());
        self.inside.set(self.inside.get() + 1);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        let next = self
            .next
            .borrow_mut()
            .pop_front()
            .expect("one more request than expected");
        let (status, fields, body) = match next {
            Next::Answer(status, fields, body) => (status, fields, Body::full(body)),
            Next::Broken(text) => {
                let frames = [
                    Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes()))),
                    Err(BoxError::from("reset")),
                ];
                let stream = futures_util::stream::iter(frames);
                (
                    200,
                    vec![("cache-control", "max-age=60")],
                    Body::stream(http_body_util::StreamBody::new(stream)),
                )
            }
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

struct Site {
    cache: Arc<Cache>,
    script: Rc<Script>,
    fetch: Rc<dyn Fetch>,
}

/// An answer: status, `Cache-Status` without the name, body.
type Seen = (u16, String, String);

impl Site {
    fn with(script: Script) -> Self {
        let cache = Cache::new(CacheConfig {
            max_bytes: 8 << 20,
            max_object_bytes: 64 << 10,
            max_variants: 4,
            collapse_timeout: Duration::from_secs(30),
        });
        let script = Rc::new(script);
        Self {
            cache,
            fetch: Rc::clone(&script) as Rc<dyn Fetch>,
            script,
        }
    }

    fn new(next: Vec<Next>) -> Self {
        Self::with(Script {
            next: RefCell::new(next.into()),
            ..Script::default()
        })
    }

    async fn ask(&self, request: http::request::Builder) -> (Seen, HeaderMap) {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut x = Exchange {
            id: "r".into(),
            client: [127, 0, 0, 1].into(),
            scheme: "http",
            authority: "a.example".into(),
            route: "all".into(),
            request: parts,
            response: None,
            pending: Vec::new(),
            cache: Default::default(),
        };
        match self.cache.serve(&mut x, Body::Empty, &self.fetch).await {
            Ok((parts, body)) => {
                let body = body.collect().await.map(|body| body.to_bytes().to_vec());
                let text = body.map_or("broken".into(), |body| String::from_utf8(body).unwrap());
                let told = parts
                    .headers
                    .get("cache-status")
                    .map_or("", |v| v.to_str().unwrap());
                let told = told.strip_prefix("Zephyr; ").unwrap_or(told).to_owned();
                ((parts.status.as_u16(), told, text), parts.headers)
            }
            Err(error) => (
                (
                    error.status.as_u16(),
                    String::new(),
                    error.detail.to_owned(),
                ),
                HeaderMap::new(),
            ),
        }
    }

    async fn get(&self, path: &str) -> Seen {
        self.ask(Request::get(path)).await.0
    }

    fn trips(&self) -> usize {
        self.script.seen.borrow().len()
    }
}

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Lets everything that can go on go on.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_stale_answer_is_asked_about_and_a_304_refreshes_it() {
    run(async {
        let stale = vec![
            ("cache-control", "max-age=60"),
            ("age", "100"),
            ("etag", "\"a\""),
        ];
        let site = Site::new(vec![
            Next::Answer(200, stale, "one"),
            Next::Answer(304, vec![FRESH, ("etag", "\"a\"")], ""),
        ]);
        assert_eq!(site.get("/").await.2, "one");
        let (status, told, body) = site.get("/").await;
        assert_eq!((status, body.as_str()), (200, "one"));
        assert_eq!(told, "hit; fwd=stale; fwd-status=304; ttl=60");
        assert_eq!(site.script.seen.borrow()[1]["if-none-match"], "\"a\"");
        assert_eq!(site.get("/").await.1, "hit; ttl=60");
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn stale_while_revalidate_refreshes_behind_the_clients_back_once() {
    run(async {
        let swr = ("cache-control", "max-age=60, stale-while-revalidate=600");
        let site = Site::new(vec![
            Next::Answer(200, vec![swr, ("age", "100")], "old"),
            Next::Answer(200, vec![FRESH], "new"),
        ]);
        site.get("/").await;
        for _ in 0..3 {
            let (_, told, body) = site.get("/").await;
            assert_eq!(body, "old");
            assert_eq!(told, "hit; ttl=-40; detail=stale-while-revalidate");
        }
        settle().await;
        assert_eq!(site.get("/").await.2, "new");
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn a_failure_is_covered_by_a_stale_answer_that_may() {
    run(async {
        let sie = ("cache-control", "max-age=60, stale-if-error=600");
        let site = Site::new(vec![
            Next::Answer(200, vec![sie, ("age", "100")], "old"),
            Next::Down,
            Next::Answer(503, vec![], "no"),
            Next::Answer(404, vec![], "gone"),
        ]);
        site.get("/").await;
        for _ in 0..2 {
            let (status, told, body) = site.get("/").await;
            assert_eq!((status, body.as_str()), (200, "old"));
            assert!(told.contains("detail=stale-if-error"), "{told}");
        }
        assert_eq!(site.get("/").await.0, 404, "an answer is no failure");

        let strict = (
            "cache-control",
            "max-age=60, stale-if-error=600, must-revalidate",
        );
        let site = Site::new(vec![
            Next::Answer(200, vec![strict, ("age", "100")], "old"),
            Next::Down,
        ]);
        site.get("/").await;
        assert_eq!(site.get("/").await.0, 502);
    });
}

#[test]
fn a_thousand_misses_cost_one_trip() {
    run(async {
        let script = Script {
            next: RefCell::new(vec![Next::Answer(200, vec![FRESH], "one")].into()),
            gate: Some(Semaphore::new(0)),
            ..Script::default()
        };
        let site = Rc::new(Site::with(script));
        let all: Vec<_> = (0..1000)
            .map(|_| {
                let site = Rc::clone(&site);
                tokio::task::spawn_local(async move { site.get("/").await })
            })
            .collect();
        settle().await;
        assert_eq!(site.script.inside.get(), 1);
        site.script.gate.as_ref().unwrap().add_permits(1);
        let mut collapsed = 0;
        for one in all {
            let (status, told, body) = one.await.unwrap();
            assert_eq!((status, body.as_str()), (200, "one"));
            collapsed += usize::from(told.contains("collapsed"));
        }
        assert_eq!((collapsed, site.trips()), (999, 1));
    });
}

#[test]
fn an_answer_that_cannot_be_shared_holds_nobody_up() {
    run(async {
        let private = || Next::Answer(200, vec![("cache-control", "private")], "mine");
        let script = Script {
            next: RefCell::new((0..3).map(|_| private()).collect()),
            gate: Some(Semaphore::new(0)),
            ..Script::default()
        };
        let site = Rc::new(Site::with(script));
        let all: Vec<_> = (0..3)
            .map(|_| {
                let site = Rc::clone(&site);
                tokio::task::spawn_local(async move { site.get("/").await })
            })
            .collect();
        settle().await;
        assert_eq!(
            site.script.inside.get(),
            1,
            "the others wait for what the first brings"
        );
        site.script.gate.as_ref().unwrap().add_permits(1);
        settle().await;
        assert_eq!(
            site.script.inside.get(),
            3,
            "then they go at once, not one after another"
        );
        site.script.gate.as_ref().unwrap().add_permits(2);
        for one in all {
            assert!(one.await.unwrap().1.contains("detail=private"));
        }
    });
}

#[test]
fn a_fetch_that_is_given_up_lets_the_next_one_fly() {
    run(async {
        let script = Script {
            next: RefCell::new(vec![Next::Answer(200, vec![FRESH], "one")].into()),
            gate: Some(Semaphore::new(0)),
            ..Script::default()
        };
        let site = Rc::new(Site::with(script));
        let ask = || {
            let site = Rc::clone(&site);
            tokio::task::spawn_local(async move { site.get("/").await })
        };
        let first = ask();
        settle().await;
        let second = ask();
        settle().await;
        first.abort();
        settle().await;
        assert_eq!(site.script.inside.get(), 2);
        site.script.gate.as_ref().unwrap().add_permits(1);
        assert_eq!(second.await.unwrap().2, "one");
    });
}

#[test]
fn what_breaks_off_or_is_too_large_is_not_stored() {
    run(async {
        let large: &'static str = Box::leak("x".repeat(100 << 10).into_boxed_str());
        let site = Site::new(vec![
            Next::Broken("hal"),
            Next::Answer(200, vec![FRESH], "whole"),
            Next::Answer(200, vec![FRESH], large),
            Next::Answer(200, vec![FRESH, ("content-length", "9")], "short"),
            Next::Answer(200, vec![FRESH], "small"),
        ]);
        assert_eq!(site.get("/").await.2, "broken");
        assert_eq!(site.get("/").await.2, "whole");
        assert_eq!(site.get("/").await.1, "hit; ttl=60");
        assert_eq!(
            site.get("/large").await.1,
            "fwd=uri-miss; fwd-status=200; detail=too-large"
        );
        assert_eq!(site.get("/short").await.2, "short");
        assert_eq!(
            site.get("/short").await.2,
            "small",
            "fewer bytes than promised are not the answer"
        );
    });
}

#[test]
fn a_purge_reaches_what_is_stored_and_what_is_on_its_way() {
    run(async {
        let tagged = || Next::Answer(200, vec![FRESH, ("surrogate-key", "k")], "one");
        let script = Script {
            next: RefCell::new((0..4).map(|_| tagged()).collect()),
            gate: Some(Semaphore::new(1)),
            ..Script::default()
        };
        let site = Rc::new(Site::with(script));
        site.get("/").await;
        assert_eq!(site.cache.purge(&Purge::Keys(vec!["k".into()])), 1);

        let flying = {
            let site = Rc::clone(&site);
            tokio::task::spawn_local(async move { site.get("/").await })
        };
        settle().await;
        site.cache.purge(&Purge::Keys(vec!["k".into()]));
        site.script.gate.as_ref().unwrap().add_permits(3);
        assert!(flying.await.unwrap().1.contains("stored"));
        assert!(
            site.get("/").await.1.contains("fwd=uri-miss"),
            "it was old when it came"
        );
        assert!(site.get("/").await.1.starts_with("hit"));
        site.cache.purge(&Purge::Url("http://A.example/".into()));
        assert!(site.get("/").await.1.contains("fwd=uri-miss"));
    });
}

#[test]
fn a_write_drops_its_url_and_its_groups_before_it_is_answered() {
    run(async {
        let grouped = |body| Next::Answer(200, vec![FRESH, ("cache-groups", "\"g\"")], body);
        let site = Site::new(vec![
            grouped("one"),
            Next::Answer(200, vec![FRESH], "own"),
            Next::Answer(403, vec![], ""),
            Next::Answer(201, vec![("cache-group-invalidation", "\"g\"")], ""),
            grouped("two"),
            Next::Answer(200, vec![FRESH], "own 2"),
        ]);
        site.get("/list").await;
        site.get("/item").await;
        site.ask(Request::post("/item")).await;
        assert!(
            site.get("/item").await.1.starts_with("hit"),
            "nothing has changed"
        );
        site.ask(Request::post("/item")).await;
        assert_eq!(site.get("/list").await.2, "two");
        assert_eq!(site.get("/item").await.2, "own 2");
    });
}

#[test]
fn variants_are_kept_apart_and_bounded() {
    run(async {
        let vary = |body| Next::Answer(200, vec![FRESH, ("vary", "accept-language")], body);
        let site = Site::new(vec![
            vary("de"),
            vary("en"),
            vary("fr"),
            vary("it"),
            vary("es"),
            vary("de 2"),
        ]);
        let ask = async |language: &'static str| {
            site.ask(Request::get("/").header("accept-language", language))
                .await
                .0
        };
        assert_eq!(ask("de").await.2, "de");
        assert_eq!(
            ask("en").await.1,
            "fwd=vary-miss; fwd-status=200; ttl=60; stored"
        );
        assert_eq!(ask("de").await.1, "hit; ttl=60");
        for language in ["fr", "it", "es"] {
            ask(language).await;
        }
        assert_eq!(ask("de").await.2, "de 2", "four are kept, the oldest goes");
    });
}

#[test]
fn one_stored_answer_serves_heads_conditions_and_ranges() {
    run(async {
        let fields = vec![FRESH, ("etag", "\"a\""), ("content-type", "text/plain")];
        let site = Site::new(vec![Next::Answer(200, fields, "0123456789")]);
        site.get("/").await;
        let ((status, _, body), headers) = site.ask(Request::head("/")).await;
        assert_eq!(
            (status, body.as_str(), &headers["content-length"]),
            (200, "", &"10".parse().unwrap())
        );
        let ((status, ..), headers) = site
            .ask(Request::get("/").header("if-none-match", "\"a\""))
            .await;
        assert!(
            status == 304 && !headers.contains_key("content-type"),
            "{headers:?}"
        );
        let ((status, _, body), headers) = site
            .ask(Request::get("/").header("range", "bytes=2-4"))
            .await;
        assert_eq!((status, body.as_str()), (206, "234"));
        assert_eq!(headers["content-range"], "bytes 2-4/10");
        let ((status, ..), headers) = site
            .ask(Request::get("/").header("range", "bytes=10-"))
            .await;
        assert_eq!(
            (status, &headers["content-range"]),
            (416, &"bytes */10".parse().unwrap())
        );
        assert_eq!(site.trips(), 1);
    });
}

#[test]
fn only_if_cached_asks_nobody() {
    run(async {
        let site = Site::new(vec![]);
        let request = Request::get("/").header("cache-control", "only-if-cached");
        assert_eq!(site.ask(request).await.0.0, 504);
        assert_eq!(site.trips(), 0);
    });
}

#[test]
fn a_full_cache_keeps_what_is_asked_for_again() {
    run(async {
        let body: &'static str = Box::leak("x".repeat(32 << 10).into_boxed_str());
        let site = Site::new(
            (0..2001)
                .map(|_| Next::Answer(200, vec![FRESH], body))
                .collect(),
        );
        site.get("/popular").await;
        for number in 0..2000 {
            site.get(&format!("/once/{number}")).await;
            assert!(
                site.get("/popular").await.1.starts_with("hit"),
                "after {number} others"
            );
        }
        let stats = site.cache.stats();
        assert!(stats.bytes <= 8 << 20, "{stats:?}");
        assert!(stats.entries > 100, "{stats:?}");
        assert_eq!(site.cache.purge(&Purge::All) as u64, stats.entries);
        assert_eq!(site.cache.stats().bytes, 0);
    });
}

#[test]
fn workers_share_one_cache() {
    let cache = Site::new(vec![]).cache;
    let threads: Vec<_> = (0..4)
        .map(|worker: u64| {
            let cache = Arc::clone(&cache);
            std::thread::spawn(move || {
                run(async {
                    for round in 0..300 {
                        let mut site = Site::new(vec![Next::Answer(
                            200,
                            vec![FRESH, ("surrogate-key", "k")],
                            "one",
                        )]);
                        site.cache = Arc::clone(&cache);
                        let (status, _, body) = site.get(&format!("/{}", round % 7)).await;
                        assert_eq!((status, body.as_str()), (200, "one"));
                        if round % 10 == worker {
                            cache.purge(&Purge::Keys(vec!["k".into()]));
                        }
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(
        cache
            .shards
            .iter()
            .all(|shard| shard.lock().flights.is_empty())
    );
}
