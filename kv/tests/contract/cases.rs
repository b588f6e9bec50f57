//! The cases of the contract.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zephyr_kv::bounds::{MAX_KEY_BYTES, MAX_PAGE, MAX_TTL, MAX_VALUE_BYTES};
use zephyr_kv::{Error, Page};

use crate::subject::Subject;

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn get(t: &Subject, key: &str) -> Option<Bytes> {
    t.store.get(key).await.unwrap()
}

async fn set(t: &Subject, key: &str, value: &str, ttl: Option<Duration>) {
    t.store
        .set(key, Bytes::copy_from_slice(value.as_bytes()), ttl)
        .await
        .unwrap();
}

async fn keys(t: &Subject, prefix: &str) -> Vec<String> {
    let Page { keys, next } = t.store.list(prefix, None, MAX_PAGE).await.unwrap();
    assert_eq!(next, None);
    keys
}

pub(crate) async fn gets_what_was_set(t: &Subject) {
    assert_eq!(get(t, "a").await, None);
    set(t, "a", "1", None).await;
    assert_eq!(get(t, "a").await.unwrap(), "1");
    set(t, "a", "2", None).await;
    assert_eq!(get(t, "a").await.unwrap(), "2");
    assert_eq!(get(t, "b").await, None);
}

pub(crate) async fn keeps_every_byte_of_keys_and_values(t: &Subject) {
    let all: Bytes = (0..=255).collect();
    for key in ["*?[x]\\", "\0", "a b\r\n", "schlüssel/日本", "{tag}"] {
        t.store.set(key, all.clone(), None).await.unwrap();
        assert_eq!(get(t, key).await.unwrap(), all, "{key:?}");
    }
    assert_eq!(keys(t, "*").await, ["*?[x]\\"]);
    set(t, "empty", "", None).await;
    assert_eq!(get(t, "empty").await.unwrap(), "");
}

pub(crate) async fn deletes(t: &Subject) {
    set(t, "a", "1", None).await;
    set(t, "b", "2", None).await;
    assert!(t.store.delete("a").await.unwrap());
    assert!(!t.store.delete("a").await.unwrap());
    assert_eq!(get(t, "a").await, None);
    assert_eq!(keys(t, "").await, ["b"]);
}

pub(crate) async fn forgets_what_has_expired(t: &Subject) {
    set(t, "short", "1", Some(HOUR)).await;
    set(t, "long", "2", Some(3 * HOUR)).await;
    set(t, "ever", "3", None).await;
    t.advance(HOUR / 2).await;
    assert_eq!(get(t, "short").await.unwrap(), "1");
    t.advance(HOUR / 2).await;
    assert_eq!(get(t, "short").await, None);
    assert!(
        !t.store.delete("short").await.unwrap(),
        "what has expired is not there"
    );
    assert_eq!(get(t, "long").await.unwrap(), "2");
    t.advance(10 * HOUR).await;
    assert_eq!(get(t, "long").await, None);
    assert_eq!(get(t, "ever").await.unwrap(), "3");
}

pub(crate) async fn a_new_value_has_its_own_time_to_live(t: &Subject) {
    for key in ["freed", "renewed", "swapped"] {
        set(t, key, "1", Some(HOUR)).await;
    }
    set(t, "bound", "1", None).await;
    set(t, "freed", "2", None).await;
    set(t, "renewed", "2", Some(3 * HOUR)).await;
    set(t, "bound", "2", Some(HOUR)).await;
    assert!(
        t.store
            .compare_and_set("swapped", Some(b"1"), "2".into(), None)
            .await
            .unwrap()
    );
    t.advance(2 * HOUR).await;
    assert_eq!(keys(t, "").await, ["freed", "renewed", "swapped"]);
}

pub(crate) async fn sets_only_over_what_was_expected(t: &Subject) {
    let store = &t.store;
    assert!(
        !store
            .compare_and_set("a", Some(b"1"), "2".into(), None)
            .await
            .unwrap()
    );
    assert!(
        !store
            .compare_and_set("a", Some(b""), "2".into(), None)
            .await
            .unwrap()
    );
    assert_eq!(get(t, "a").await, None);
    set(t, "a", "1", None).await;
    assert!(
        !store
            .compare_and_set("a", Some(b"0"), "2".into(), None)
            .await
            .unwrap()
    );
    assert_eq!(get(t, "a").await.unwrap(), "1");
    assert!(
        store
            .compare_and_set("a", Some(b"1"), "2".into(), Some(HOUR))
            .await
            .unwrap()
    );
    assert_eq!(get(t, "a").await.unwrap(), "2");
    t.advance(HOUR).await;
    assert!(
        !store
            .compare_and_set("a", Some(b"2"), "3".into(), None)
            .await
            .unwrap()
    );
}

pub(crate) async fn creates_only_what_is_absent(t: &Subject) {
    let store = &t.store;
    assert!(
        store
            .compare_and_set("lock", None, "me".into(), Some(HOUR))
            .await
            .unwrap()
    );
    assert!(
        !store
            .compare_and_set("lock", None, "you".into(), Some(HOUR))
            .await
            .unwrap()
    );
    assert_eq!(get(t, "lock").await.unwrap(), "me");
    set(t, "empty", "", None).await;
    assert!(
        !store
            .compare_and_set("empty", None, "x".into(), None)
            .await
            .unwrap()
    );
    t.advance(HOUR).await;
    assert!(
        store
            .compare_and_set("lock", None, "you".into(), Some(HOUR))
            .await
            .unwrap()
    );
    assert_eq!(get(t, "lock").await.unwrap(), "you");
}

pub(crate) async fn one_of_many_creators_wins(t: &Subject) {
    let calls = (0..32).map(|n| {
        let store = Arc::clone(&t.store);
        tokio::spawn(async move {
            store
                .compare_and_set("lock", None, format!("{n}").into(), None)
                .await
                .unwrap()
        })
    });
    let mut won = Vec::new();
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        if call.await.unwrap() {
            won.push(n.to_string());
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(get(t, "lock").await.unwrap(), won[0]);
}

pub(crate) async fn counts(t: &Subject) {
    assert_eq!(t.store.increment("n", 5, None).await.unwrap(), 5);
    assert_eq!(t.store.increment("n", -7, None).await.unwrap(), -2);
    assert_eq!(t.store.increment("n", 0, None).await.unwrap(), -2);
    assert_eq!(
        t.store.increment("n", i64::MAX, None).await.unwrap(),
        i64::MAX - 2
    );
    assert_eq!(t.store.increment("n", 1, None).await.unwrap(), i64::MAX - 1);
    assert_eq!(keys(t, "").await, ["n"]);
}

pub(crate) async fn counters_are_text(t: &Subject) {
    t.store.increment("n", -12, None).await.unwrap();
    assert_eq!(get(t, "n").await.unwrap(), "-12");
    set(t, "n", "40", None).await;
    assert_eq!(t.store.increment("n", 2, None).await.unwrap(), 42);
}

pub(crate) async fn counters_live_from_their_creation(t: &Subject) {
    t.store.increment("n", 1, Some(2 * HOUR)).await.unwrap();
    t.advance(HOUR).await;
    assert_eq!(t.store.increment("n", 1, Some(2 * HOUR)).await.unwrap(), 2);
    t.advance(HOUR).await;
    assert_eq!(get(t, "n").await, None);
    assert_eq!(t.store.increment("n", 1, Some(HOUR)).await.unwrap(), 1);
    t.advance(HOUR).await;
    assert_eq!(
        get(t, "n").await,
        None,
        "it is created anew, with the time that was given then"
    );

    t.store.increment("ever", 1, None).await.unwrap();
    t.store.increment("ever", 1, Some(HOUR)).await.unwrap();
    t.advance(HOUR).await;
    assert_eq!(get(t, "ever").await.unwrap(), "2");
}

pub(crate) async fn refuses_to_count_past_the_range(t: &Subject) {
    t.store.increment("n", i64::MAX, None).await.unwrap();
    assert!(matches!(
        t.store.increment("n", 1, None).await,
        Err(Error::Overflow)
    ));
    assert_eq!(get(t, "n").await.unwrap(), i64::MAX.to_string());
    t.store.increment("m", i64::MIN, None).await.unwrap();
    assert!(matches!(
        t.store.increment("m", -1, None).await,
        Err(Error::Overflow)
    ));
    assert_eq!(get(t, "m").await.unwrap(), i64::MIN.to_string());
}

pub(crate) async fn refuses_to_count_on_what_is_no_counter(t: &Subject) {
    for value in ["x", "", " 1", "1.5", "+1", "01", "9223372036854775808"] {
        set(t, "n", value, None).await;
        let refused = t.store.increment("n", 1, None).await;
        assert!(
            matches!(refused, Err(Error::NotACounter)),
            "{value:?}: {refused:?}"
        );
        assert_eq!(get(t, "n").await.unwrap(), value);
    }
}

pub(crate) async fn counts_every_concurrent_increment(t: &Subject) {
    let calls = (0..100).map(|_| {
        let store = Arc::clone(&t.store);
        tokio::spawn(async move { store.increment("n", 1, None).await.unwrap() })
    });
    let mut sums = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        sums.push(call.await.unwrap());
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).collect::<Vec<i64>>());
}

pub(crate) async fn lists_in_the_order_of_bytes(t: &Subject) {
    for key in ["b", "a/2", "a", "a/10", "B", "é", "z", "a/1"] {
        set(t, key, "x", None).await;
    }
    assert_eq!(
        keys(t, "").await,
        ["B", "a", "a/1", "a/10", "a/2", "b", "z", "é"]
    );
}

pub(crate) async fn lists_in_pages(t: &Subject) {
    let expected: Vec<String> = (0..25).map(|n| format!("k{n:02}")).collect();
    for key in &expected {
        set(t, key, "x", None).await;
    }
    let (mut seen, mut after, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let page = t.store.list("k", after.as_deref(), 10).await.unwrap();
        sizes.push(page.keys.len());
        seen.extend(page.keys);
        // What comes in behind the cursor is not seen, and what was seen is not seen twice.
        set(t, "k", "x", None).await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(seen, expected);
    assert_eq!(
        t.store.list("k0", None, 10).await.unwrap().next,
        None,
        "a full page may be the last"
    );
}

pub(crate) async fn lists_only_the_prefix(t: &Subject) {
    for key in ["a", "a/", "a/x", "a/y", "a0", "A/x", "b/a/x"] {
        set(t, key, "x", None).await;
    }
    assert_eq!(keys(t, "a/").await, ["a/", "a/x", "a/y"]);
    assert_eq!(keys(t, "none").await, [""; 0]);
}

pub(crate) async fn lists_nothing_that_is_gone(t: &Subject) {
    for n in 0..30 {
        set(t, &format!("gone{n}"), "x", Some(HOUR)).await;
    }
    set(t, "deleted", "x", None).await;
    set(t, "here", "x", None).await;
    t.store.delete("deleted").await.unwrap();
    t.advance(HOUR).await;
    let page = t.store.list("", None, 5).await.unwrap();
    assert_eq!(
        page,
        Page {
            keys: vec!["here".into()],
            next: None
        }
    );
}

pub(crate) async fn lists_past_a_cursor_outside_the_prefix(t: &Subject) {
    for key in ["a", "m/1", "m/2", "z"] {
        set(t, key, "x", None).await;
    }
    let list = async |after| t.store.list("m/", Some(after), 10).await.unwrap().keys;
    assert_eq!(list("a").await, ["m/1", "m/2"]);
    assert_eq!(list("m/1").await, ["m/2"]);
    assert_eq!(list("m/1a").await, ["m/2"]);
    assert_eq!(list("z").await, [""; 0]);
}

pub(crate) async fn refuses_what_breaks_a_bound(t: &Subject) {
    fn invalid<T: std::fmt::Debug>(answer: Result<T, Error>, why: &str) {
        match answer {
            Err(Error::Invalid(text)) if text.contains(why) => (),
            other => panic!("not refused for {why:?}: {other:?}"),
        }
    }
    let store = &t.store;
    let one = || Bytes::from_static(b"1");
    let large = Bytes::from(vec![0; MAX_VALUE_BYTES + 1]);
    for (key, why) in [
        (String::new(), "empty"),
        ("k".repeat(MAX_KEY_BYTES + 1), "1025 bytes"),
    ] {
        let key = &key[..];
        invalid(store.get(key).await, why);
        invalid(store.set(key, one(), None).await, why);
        invalid(store.delete(key).await, why);
        invalid(store.compare_and_set(key, None, one(), None).await, why);
        invalid(store.increment(key, 1, None).await, why);
    }
    invalid(store.set("a", large.clone(), None).await, "1048577 bytes");
    invalid(
        store.compare_and_set("a", None, large, None).await,
        "1048577 bytes",
    );
    for (ttl, why) in [(Duration::ZERO, "zero"), (MAX_TTL + HOUR, "more than")] {
        invalid(store.set("a", one(), Some(ttl)).await, why);
        invalid(
            store.compare_and_set("a", None, one(), Some(ttl)).await,
            why,
        );
        invalid(store.increment("a", 1, Some(ttl)).await, why);
    }
    invalid(store.list("", None, 0).await, "limit");
    invalid(store.list("", None, MAX_PAGE + 1).await, "limit");
    invalid(
        store.list(&"k".repeat(MAX_KEY_BYTES + 1), None, 1).await,
        "prefix",
    );
    invalid(
        store
            .list("", Some(&"k".repeat(MAX_KEY_BYTES + 1)), 1)
            .await,
        "after",
    );
    assert_eq!(keys(t, "").await, [""; 0]);
}

pub(crate) async fn takes_what_meets_a_bound_exactly(t: &Subject) {
    let key = "k".repeat(MAX_KEY_BYTES);
    let value = Bytes::from(vec![7; MAX_VALUE_BYTES]);
    t.store
        .set(&key, value.clone(), Some(MAX_TTL))
        .await
        .unwrap();
    assert_eq!(get(t, &key).await.unwrap(), value);
    set(t, "brief", "x", Some(Duration::from_nanos(1))).await;
    t.advance(Duration::from_millis(1)).await;
    assert_eq!(keys(t, "").await, [key]);
}
