//! Workers that ask, purge and give up at the same time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response};

use super::super::{Cache, CacheConfig, Fetch, Purge};
use super::support::{CONFIG, Script, Site, read, run};
use crate::body::Body;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;

const KEYS: usize = 5;

/// An origin whose answers tell which version they are of.
#[derive(Default)]
struct Origin {
    versions: [AtomicU64; KEYS],
    /// Fetches of each at this moment.
    inside: [AtomicUsize; KEYS],
    trips: AtomicU64,
}

/// A worker's way to it.
struct Way {
    origin: Arc<Origin>,
    steps: Cell<u64>,
}

#[async_trait(?Send)]
impl Fetch for Way {
    async fn fetch(
        &self,
        x: &mut Exchange,
        _: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let key: usize = x.request.uri.path()[1..].parse().unwrap();
        let step = self.steps.get() + 1;
        self.steps.set(step);
        self.origin.trips.fetch_add(1, Ordering::SeqCst);
        self.origin.inside[key].fetch_add(1, Ordering::SeqCst);
        let version = self.origin.versions[key].load(Ordering::SeqCst);
        for _ in 0..step % 5 {
            tokio::task::yield_now().await;
        }
        self.origin.inside[key].fetch_sub(1, Ordering::SeqCst);
        if step.is_multiple_of(17) {
            let status = http::StatusCode::BAD_GATEWAY;
            return Err(ProxyError::new(Source::Upstream, status, "down"));
        }
        let response = Response::builder()
            .header("cache-control", "max-age=60")
            .header("surrogate-key", format!("k{key}"));
        Ok(response.body(Body::full(version.to_string())).unwrap())
    }
}

#[test]
fn nobody_reads_what_was_purged_before_they_asked_and_nobody_hangs() {
    let origin = Arc::new(Origin::default());
    let clock = Arc::new(AtomicU64::new(1_795_000_000));
    let cache = Cache::with_clock(
        CacheConfig {
            collapse_timeout: Duration::from_secs(60),
            ..CONFIG
        },
        super::super::clock::Clock::Set(Arc::clone(&clock)),
    );
    let workers: Vec<_> = (0..4_u64)
        .map(|worker| {
            let (origin, cache, clock) =
                (Arc::clone(&origin), Arc::clone(&cache), Arc::clone(&clock));
            std::thread::spawn(move || run(work(worker, origin, cache, clock)))
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    for slot in &cache.slots {
        assert!(slot.flights.lock().is_idle(), "everybody has landed");
    }
    let stats = cache.stats();
    assert!(stats.hits > 0 && stats.misses > 0, "{stats:?}");
    assert_eq!(stats.misses, origin.trips.load(Ordering::SeqCst));
    assert_eq!(cache.filling.load(Ordering::SeqCst), 0);
}

async fn work(worker: u64, origin: Arc<Origin>, cache: Arc<Cache>, clock: Arc<AtomicU64>) {
    let way: Rc<dyn Fetch> = Rc::new(Way {
        origin: Arc::clone(&origin),
        steps: Cell::new(worker),
    });
    let site = Rc::new(Site::of(Arc::clone(&cache), clock, Script::default()));
    let mut asking = Vec::new();
    for round in 0..2000_u64 {
        let key = ((round * 7 + worker * 3) % KEYS as u64) as usize;
        // The origin changes first, then the cache is told: from then on nobody may see the old one.
        if (round + worker).is_multiple_of(40) {
            origin.versions[key].fetch_add(1, Ordering::SeqCst);
            cache.purge(&Purge::Keys(vec![format!("k{key}")]));
        }
        let at_least = origin.versions[key].load(Ordering::SeqCst);
        if (round + worker).is_multiple_of(40) || round % 3 == 0 {
            // This one's purges have all been made; another one's may lag behind its version.
            cache.purge(&Purge::Keys(vec![format!("k{key}")]));
        }
        let checks = (round + worker).is_multiple_of(40) || round % 3 == 0;
        let (site, way) = (Rc::clone(&site), Rc::clone(&way));
        asking.push(tokio::task::spawn_local(async move {
            let mut x = site.exchange(Request::get(format!("/{key}")));
            match site.cache.serve(&mut x, Body::Empty, &way).await {
                Ok((_, body)) => {
                    let version: u64 = read(body).await.parse().unwrap();
                    assert!(!checks || version >= at_least, "{version} < {at_least}");
                }
                Err(error) => assert_eq!(error.status.as_u16(), 502),
            }
        }));
        if asking.len() == 16 {
            // Some give up.
            if round % 5 == 0 {
                asking.remove(0).abort();
            }
            for one in asking.drain(..) {
                one.await.unwrap();
            }
        }
    }
    for one in asking {
        one.await.unwrap();
    }
}
