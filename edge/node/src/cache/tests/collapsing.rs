//! Many who miss the same at once.

use std::rc::Rc;
use std::time::Duration;

use http::Request;
use tokio::sync::Semaphore;

use super::support::{CONFIG, FRESH, Next, Script, Site, chunks, run, settle};

#[test]
fn a_thousand_misses_cost_one_trip() {
    run(async {
        let site = Site::gated(vec![Next::Answer(200, vec![FRESH], "one")]);
        let all: Vec<_> = (0..1000).map(|_| site.spawn_get("/")).collect();
        settle().await;
        assert_eq!(site.script.inside.get(), 1);
        site.open(1);
        let mut collapsed = 0;
        for one in all {
            let (status, told, body) = one.await.unwrap();
            assert_eq!((status, body.as_str()), (200, "one"));
            collapsed += usize::from(told == "fwd=uri-miss; ttl=60; collapsed");
        }
        assert_eq!((collapsed, site.trips()), (999, 1));
    });
}

#[test]
fn a_thousand_who_find_it_stale_cost_one_trip() {
    run(async {
        let fields = || vec![FRESH, ("etag", "\"a\"")];
        let site = Site::gated(vec![
            Next::Answer(200, fields(), "one"),
            Next::Answer(304, fields(), ""),
        ]);
        site.open(1);
        site.get("/").await;
        site.wait(60);
        let all: Vec<_> = (0..1000).map(|_| site.spawn_get("/")).collect();
        settle().await;
        site.open(1);
        for one in all {
            assert_eq!(one.await.unwrap().2, "one");
        }
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn an_upstream_that_fails_is_not_asked_a_thousand_times_when_there_is_a_stale_answer() {
    run(async {
        let sie = ("cache-control", "max-age=60, stale-if-error=600");
        let site = Site::gated(vec![Next::Answer(200, vec![sie], "old"), Next::Down]);
        site.open(1);
        site.get("/").await;
        site.wait(100);
        let all: Vec<_> = (0..1000).map(|_| site.spawn_get("/")).collect();
        settle().await;
        site.open(1);
        for one in all {
            assert_eq!(one.await.unwrap().2, "old");
        }
        assert_eq!(site.trips(), 2);
    });
}

/// All go at once as soon as it is known that the answer cannot be shared, and the next ones do not
/// wait at all.
async fn goes_alone(site: Rc<Site>, told: &str) {
    let all: Vec<_> = (0..3).map(|_| site.spawn_get("/")).collect();
    settle().await;
    assert_eq!(
        site.script.inside.get(),
        1,
        "the others wait for what the first brings"
    );
    site.open(1);
    settle().await;
    assert_eq!(
        site.script.inside.get(),
        3,
        "then they go at once, not one after another"
    );
    let more: Vec<_> = (0..2).map(|_| site.spawn_get("/")).collect();
    settle().await;
    assert_eq!(site.script.inside.get(), 5, "that is remembered");
    site.open(4);
    for one in all.into_iter().chain(more) {
        let seen = one.await.unwrap();
        assert!(seen.1.contains(told), "{seen:?}");
    }
}

#[test]
fn an_answer_that_cannot_be_shared_holds_nobody_up() {
    run(async {
        let private = |_| Next::Answer(200, vec![("cache-control", "private")], "mine");
        goes_alone(Site::gated((0..5).map(private).collect()), "detail=private").await;
        let asked_about = |_| {
            Next::Answer(
                200,
                vec![("cache-control", "no-cache"), ("etag", "\"a\"")],
                "x",
            )
        };
        goes_alone(Site::gated((0..5).map(asked_about).collect()), "stored").await;
        let failed = |_| Next::Answer(500, vec![], "no");
        goes_alone(
            Site::gated((0..5).map(failed).collect()),
            "detail=no-lifetime",
        )
        .await;
    });
}

#[test]
fn waiting_is_worth_it_again_after_a_while() {
    run(async {
        let mut next = vec![Next::Answer(
            200,
            vec![("cache-control", "private")],
            "mine",
        )];
        next.push(Next::Answer(200, vec![FRESH], "one"));
        let site = Site::gated(next);
        site.open(1);
        site.get("/").await;
        site.wait(10);
        let all: Vec<_> = (0..3).map(|_| site.spawn_get("/")).collect();
        settle().await;
        site.open(1);
        for one in all {
            assert_eq!(one.await.unwrap().2, "one");
        }
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn conditions_go_on_where_nothing_is_shared() {
    run(async {
        let private = || vec![("cache-control", "private"), ("etag", "\"a\"")];
        let site = Site::new(vec![
            Next::Answer(200, private(), "mine"),
            Next::Answer(304, private(), ""),
        ]);
        let ask = async || {
            site.ask(Request::get("/").header("if-none-match", "\"a\""))
                .await
                .0
        };
        assert_eq!(ask().await.0, 304, "the cache finds that out itself");
        assert_eq!(ask().await.0, 304);
        assert!(site.script.seen.borrow()[1].contains_key("if-none-match"));
    });
}

#[test]
fn a_fetch_that_is_given_up_lets_the_next_one_fly() {
    run(async {
        let site = Site::gated(vec![Next::Answer(200, vec![FRESH], "one")]);
        let first = site.spawn_get("/");
        settle().await;
        let others: Vec<_> = (0..3).map(|_| site.spawn_get("/")).collect();
        settle().await;
        first.abort();
        settle().await;
        assert_eq!(site.script.inside.get(), 2, "one of those who waited");
        site.open(1);
        for other in others {
            assert_eq!(other.await.unwrap().2, "one");
        }
    });
}

#[test]
fn a_fetch_that_fails_lets_the_next_one_fly() {
    run(async {
        let site = Site::gated(vec![Next::Down, Next::Answer(200, vec![FRESH], "one")]);
        let all: Vec<_> = (0..5).map(|_| site.spawn_get("/")).collect();
        settle().await;
        site.open(2);
        let mut seen = Vec::new();
        for one in all {
            seen.push(one.await.unwrap().0);
        }
        seen.sort_unstable();
        assert_eq!(seen, [200, 200, 200, 200, 502]);
        assert_eq!(site.trips(), 2);
    });
}

#[test]
fn who_has_waited_long_enough_goes_alone() {
    run(async {
        let script = Script {
            gate: Some(Semaphore::new(0)),
            ..Script::default()
        };
        for body in ["one", "two"] {
            script
                .next
                .borrow_mut()
                .push_back(Next::Answer(200, vec![FRESH], body));
        }
        let config = super::super::CacheConfig {
            collapse_timeout: Duration::from_millis(1),
            ..CONFIG
        };
        let site = Rc::new(Site::with(config, script));
        let first = site.spawn_get("/");
        let second = site.spawn_get("/");
        while site.script.inside.get() < 2 {
            tokio::task::yield_now().await;
        }
        site.open(2);
        let mut bodies = [first.await.unwrap().2, second.await.unwrap().2];
        bodies.sort_unstable();
        assert_eq!(bodies, ["one", "two"]);
    });
}

#[test]
fn different_variants_do_not_wait_for_each_other() {
    run(async {
        let vary = |body| Next::Answer(200, vec![FRESH, ("vary", "x-a")], body);
        let site = Site::gated(vec![vary("zero"), vary("one"), vary("two")]);
        site.open(1);
        site.ask(Request::get("/").header("x-a", "0")).await;
        let spawn = |value: &'static str| {
            let site = Rc::clone(&site);
            tokio::task::spawn_local(async move {
                site.ask(Request::get("/").header("x-a", value)).await.0
            })
        };
        let (one, again, two) = (spawn("1"), spawn("1"), spawn("2"));
        settle().await;
        assert_eq!(site.script.inside.get(), 3, "one for each variant");
        site.open(2);
        let (one, again, two) = (one.await.unwrap(), again.await.unwrap(), two.await.unwrap());
        assert_eq!(
            (one.2.as_str(), again.2.as_str(), two.2.as_str()),
            ("one", "one", "two")
        );
        assert_eq!(again.1, "fwd=vary-miss; ttl=60; collapsed");
    });
}

#[test]
fn nobody_waits_for_a_slow_client() {
    run(async {
        let (sender, next) = chunks(vec![FRESH]);
        let site = Rc::new(Site::new(vec![next]));
        // It has the head and reads nothing.
        let (_, unread) = site.begin(Request::get("/")).await.unwrap();
        let waits = site.spawn_get("/");
        settle().await;
        sender.send(Ok("one".into())).unwrap();
        drop(sender);
        assert_eq!(waits.await.unwrap().2, "one");
        assert_eq!(super::support::read(unread).await, "one");
        assert_eq!(site.trips(), 1);
    });
}

#[test]
fn what_one_client_wants_for_itself_changes_nothing_for_others() {
    run(async {
        let site = Site::gated(vec![
            Next::Answer(200, vec![FRESH], "unstored"),
            Next::Answer(200, vec![FRESH], "authorized"),
            Next::Answer(200, vec![FRESH], "shared"),
        ]);
        site.open(2);
        let own = Request::get("/").header("cache-control", "no-store");
        assert!(site.ask(own).await.0.1.contains("detail=request-no-store"));
        let own = Request::get("/").header("authorization", "x");
        assert!(site.ask(own).await.0.1.contains("detail=authorization"));
        let all: Vec<_> = (0..3).map(|_| site.spawn_get("/")).collect();
        settle().await;
        assert_eq!(site.script.inside.get(), 3, "one for all three");
        site.open(1);
        for one in all {
            assert_eq!(one.await.unwrap().2, "shared");
        }
    });
}

#[test]
fn nobody_waits_again_for_what_takes_too_long() {
    run(async {
        let config = super::super::CacheConfig {
            collapse_timeout: Duration::from_millis(1),
            ..CONFIG
        };
        // Nobody may follow it: it has to be asked about each time.
        let (_sender, stuck) = chunks(vec![("cache-control", "no-cache"), ("etag", "\"a\"")]);
        let next = [
            stuck,
            Next::Answer(200, vec![FRESH], "own"),
            Next::Answer(200, vec![FRESH], "x"),
        ];
        let script = Script::default();
        script.next.borrow_mut().extend(next);
        let site = Site::with(config, script);
        let (_, _unread) = site.begin(Request::get("/")).await.unwrap();
        assert_eq!(site.get("/").await.2, "own", "after it has waited");
        assert_eq!(site.get("/").await.1, "hit; ttl=60", "its answer counts");
    });
}
