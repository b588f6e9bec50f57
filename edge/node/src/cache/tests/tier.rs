//! The cache's folder changes hands between processes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::Request;
use zephyr_store::DiskConfig;

use super::support::{CONFIG, FRESH, Next, Script, Site, run};
use crate::cache::clock::Clock;
use crate::cache::{Cache, Purge};

/// A site of a process of its own.
fn site(folder: &Path, next: Vec<Next>) -> Site {
    let mut disk = DiskConfig::new(folder.to_owned(), 64 << 20);
    disk.patience = Duration::ZERO;
    let clock = Arc::new(AtomicU64::new(1_795_000_000));
    let set = Clock::Set(Arc::clone(&clock));
    let cache = Cache::on_disk_with_clock(CONFIG, disk, 1 << 20, set).unwrap();
    let script = Script {
        next: std::cell::RefCell::new(next.into()),
        ..Script::default()
    };
    Site::of(cache, clock, script)
}

fn fresh(body: &'static str) -> Next {
    Next::Answer(200, vec![FRESH], body)
}

fn is_down(site: &Site) -> bool {
    site.cache.disk_stats().unwrap().is_down
}

#[test]
fn who_waits_for_the_folder_has_what_is_in_it_once_it_is_free() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let next = ["x", "y", "z", "u", "v"].map(fresh);
        let old = site(folder.path(), next.into());
        for path in ["/x", "/y", "/z", "/u"] {
            old.get(path).await;
        }
        // Has a cache, in memory.
        let new = site(folder.path(), ["n", "y2", "u2"].map(fresh).into());
        assert!(is_down(&new) && !is_down(&old));
        new.get("/n").await;
        assert!(new.get("/n").await.1.starts_with("hit"));
        assert!(new.cache.take_disk().is_err(), "it is the old one's");
        // Each purges something.
        let url = |path: &str| Purge::Url(format!("http://a.example{path}"));
        new.cache.purge(&url("/y"));
        old.cache.purge(&url("/u"));

        old.cache.let_go_of_disk();
        assert!(is_down(&old));
        new.cache.take_disk().unwrap();
        assert!(!is_down(&new));
        for path in ["/x", "/z", "/n"] {
            let (_, told, body) = new.get(path).await;
            assert!(told.starts_with("hit"), "{path}: {told}");
            assert_eq!(body, path[1..]);
        }
        assert_eq!(new.get("/y").await.2, "y2");
        assert_eq!(new.get("/u").await.2, "u2");
        assert_eq!(new.trips(), 3);
        // The old one goes on in memory, and may purge and fetch.
        assert!(old.get("/x").await.1.starts_with("hit"));
        old.cache.purge(&url("/x"));
        assert_eq!(old.get("/x").await.2, "v");
        let post = Request::post("/v");
        old.script.next.borrow_mut().push_back(fresh("posted"));
        old.ask(post).await;
        assert!(new.get("/x").await.1.starts_with("hit"));
    });
}

#[test]
fn who_let_go_for_nobody_takes_the_folder_back_and_what_it_purged_stays_purged() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let old = site(folder.path(), ["x", "y", "y2"].map(fresh).into());
        old.get("/x").await;
        old.get("/y").await;
        old.cache.let_go_of_disk();
        let new = site(folder.path(), ["n"].map(fresh).into());
        new.get("/n").await;
        old.cache.purge(&Purge::Url("http://a.example/y".into()));
        old.cache.want_disk();
        assert!(old.cache.take_disk().is_err(), "it is the new one's");
        drop(new);
        old.cache.take_disk().unwrap();
        assert!(old.get("/n").await.1.starts_with("hit"));
        assert_eq!(old.get("/y").await.2, "y2");
        drop(old);
        let again = site(folder.path(), Vec::new());
        assert_eq!(again.get("/x").await.2, "x");
        assert_eq!(again.get("/y").await.2, "y2");
    });
}
