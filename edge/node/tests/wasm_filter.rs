//! Filters in the real runtime: phases, header rules, replies, capabilities.
#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

#[path = "wasm_support/guests.rs"]
mod guests;

use std::sync::Arc;

use guests::{capabilities, exchange, filter, hostile, limits, options, results, runtime};
use insta::assert_debug_snapshot;
use zephyr_edge::exchange::FieldChange;
use zephyr_edge::wasm::{Phase, Phases, Runtime, StageError, Verdict};

#[tokio::test]
async fn a_filter_is_called_in_the_phases_it_asked_for() {
    let runtime = runtime();
    let noop = filter(&runtime, "noop", limits()).stage("{}").unwrap();
    assert_eq!(noop.phases(), Phases::REQUEST);
    assert_eq!(noop.name(), "noop");
    let (_, verdict) = noop.call(Phase::Response, exchange()).await;
    assert!(matches!(verdict, Ok(Verdict::Next)));
    assert_eq!(
        noop.component().counters().snapshot().calls,
        0,
        "that phase costs nothing"
    );
    let (_, verdict) = noop.call(Phase::Request, exchange()).await;
    assert!(matches!(verdict, Ok(Verdict::Next)));
    assert_eq!(noop.component().counters().snapshot().calls, 1);
}

#[tokio::test]
async fn the_answer_is_seen_and_changed_in_its_phases() {
    let stage = hostile(&runtime(), "nothing", limits());
    let mut x = exchange();
    x.response = Some(http::Response::new(()).into_parts().0);
    let (x, verdict) = stage.call(Phase::Upstream, x).await;
    verdict.unwrap();
    let (x, verdict) = stage.call(Phase::Response, x).await;
    verdict.unwrap();
    let (x, verdict) = stage.call(Phase::Response, x).await;
    verdict.unwrap();
    let headers = x.response.unwrap().headers;
    assert_eq!(headers.get_all("x-seen-upstream").iter().count(), 1);
    assert_eq!(headers.get_all("x-seen-response").iter().count(), 2);
}

#[tokio::test]
async fn a_filter_sees_the_exchange_by_the_rules() {
    let stage = hostile(&runtime(), "mirror", limits());
    let (x, verdict) = stage.call(Phase::Request, exchange()).await;
    verdict.unwrap();
    assert_debug_snapshot!(results(&x), @r#"
    [
        "id-1",
        "GET",
        "https",
        "example.com",
        "/a/b",
        "Some(\"c=d\")",
        "2001:db8::1",
        "test",
        "Some(\"1, 2\")",
        "Some(\"café\")",
        "None",
        "None",
        "None",
        "2",
        "[]",
    ]
    "#);
    assert!(!x.request.headers.contains_key("x-latin"));
    // What is said of the answer before there is one is kept; what was taken back is not.
    let kept: Vec<_> = x.pending.iter().collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(matches!(kept[0], FieldChange::Set(name, value) if name == "x-kept" && value == "1"));
    assert!(
        matches!(kept[1], FieldChange::Append(name, value) if name == "x-kept" && value == "2")
    );
}

#[tokio::test]
async fn fields_of_the_host_and_bytes_that_end_a_line_are_not_written() {
    let stage = hostile(&runtime(), "forbidden-header", limits());
    let (x, verdict) = stage.call(Phase::Request, exchange()).await;
    verdict.unwrap();
    assert_debug_snapshot!(results(&x), @r#"
    [
        "forbidden",
        "forbidden",
        "forbidden",
        "forbidden",
        "invalid-name",
        "invalid-value",
        "invalid-value",
        "invalid-value",
        "invalid-value",
        "ok",
    ]
    "#);
    assert_eq!(x.request.uri, "/new?x=1");
    assert_eq!(x.request.headers["host"], "example.com");
    assert!(!x.request.headers.contains_key("x-a") && x.pending.is_empty());
}

#[tokio::test]
async fn a_filter_cannot_fill_the_node_with_fields() {
    let stage = hostile(&runtime(), "header-flood", limits());
    let (x, verdict) = stage.call(Phase::Request, exchange()).await;
    verdict.unwrap();
    assert!(
        x.request.headers.len() <= 500,
        "{}",
        x.request.headers.len()
    );
    assert_eq!(
        x.request.headers["x-before"], "1",
        "a value of a MiB is not written"
    );
}

#[tokio::test]
async fn a_reply_is_framed_by_the_rules() {
    let runtime = runtime();
    let (_, verdict) = hostile(&runtime, "reply", limits())
        .call(Phase::Request, exchange())
        .await;
    let Ok(Verdict::Reply(reply)) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(reply.status(), 403);
    assert_eq!(reply.headers().get_all("x-twice").iter().count(), 2);
    assert_eq!(&reply.body()[..], b"no");

    for deed in ["bad-status", "bad-reply", "forbidden-reply"] {
        let stage = hostile(&runtime, deed, limits());
        let (_, verdict) = stage.call(Phase::Request, exchange()).await;
        assert!(
            matches!(verdict, Err(StageError::InvalidReply(_))),
            "{deed}: {verdict:?}"
        );
        assert_eq!(stage.component().counters().snapshot().invalid_replies, 1);
    }
}

#[tokio::test]
async fn what_a_filter_says_to_the_cache_is_kept() {
    let (x, verdict) = hostile(&runtime(), "cache", limits())
        .call(Phase::Request, exchange())
        .await;
    verdict.unwrap();
    assert_debug_snapshot!(x.cache, @r#"
    CacheDirectives {
        bypass: Some(
            "test",
        ),
        ttl: Some(
            1,
        ),
        stale_while_revalidate: Some(
            2,
        ),
        stale_if_error: Some(
            3,
        ),
        key_query: Some(
            Some(
                "a=1",
            ),
        ),
        key_parts: [
            "part",
        ],
        surrogate_keys: [
            "one",
            "two",
        ],
    }
    "#);
}

#[tokio::test]
async fn keys_and_values_have_bounds_and_name_spaces() {
    let capabilities = capabilities();
    let kv = Arc::clone(&capabilities.kv);
    kv.set("site/shared", "from the site".into(), None)
        .await
        .unwrap();
    kv.set("counter", "of nobody".into(), None).await.unwrap();
    let mut options = options();
    options.capabilities = capabilities;
    let runtime = Runtime::new(options).unwrap();
    let (x, verdict) = hostile(&runtime, "kv", limits())
        .call(Phase::Request, exchange())
        .await;
    verdict.unwrap();
    assert_debug_snapshot!(results(&x), @r#"
    [
        "None",
        "Ok(())",
        "Some(\"1\")",
        "Ok(())",
        "None",
        "Some(\"from the site\")",
        "true",
        "true",
        "true",
        "true",
        "true",
    ]
    "#);
    assert_eq!(
        kv.get("site/shared").await.unwrap().unwrap(),
        "from the site"
    );
    assert_eq!(kv.get("counter").await.unwrap().unwrap(), "of nobody");
}

#[tokio::test]
async fn limits_are_counted_over_instances_and_stages() {
    let runtime = runtime();
    let (one, two) = (
        hostile(&runtime, "limit", limits()),
        hostile(&runtime, "limit", limits()),
    );
    let mut seen = Vec::new();
    for stage in [&one, &two, &one, &two] {
        let (x, verdict) = stage.call(Phase::Request, exchange()).await;
        verdict.unwrap();
        seen.push(results(&x).join(", "));
    }
    // The second result: a count of 0 is invalid.
    assert_eq!(
        seen,
        [
            "true 1, true",
            "true 0, true",
            "false 0, true",
            "false 0, true"
        ]
    );
}

#[tokio::test]
async fn signatures_are_verified_by_the_host() {
    let stage = hostile(&runtime(), "verify", limits());
    let verify = async |key: &str, signature: &str| {
        let mut x = exchange();
        for (name, value) in [
            ("x-key", key),
            ("x-message", "message"),
            ("x-signature", signature),
        ] {
            x.request.headers.insert(name, value.parse().unwrap());
        }
        let (x, verdict) = stage.call(Phase::Request, x).await;
        verdict.unwrap();
        results(&x)[0].to_owned()
    };
    // The right answers of all algorithms are in the verifier's own tests.
    assert_eq!(verify(&"k".repeat(32), &"s".repeat(32)).await, "Ok(false)");
    assert!(verify("short", "s").await.starts_with("Err("));
}

#[tokio::test]
async fn a_flood_of_log_lines_is_dropped_and_the_call_goes_on() {
    let runtime = runtime();
    for deed in ["log-flood", "print-flood"] {
        let (_, verdict) = hostile(&runtime, deed, limits())
            .call(Phase::Request, exchange())
            .await;
        assert!(matches!(verdict, Ok(Verdict::Next)), "{deed}: {verdict:?}");
    }
}

#[tokio::test]
async fn an_instance_is_used_again_until_its_time_has_come() {
    let runtime = runtime();
    let limits = guests::limits();
    let stage = filter(
        &runtime,
        "noop",
        zephyr_edge::wasm::Limits {
            max_reuse: 3,
            ..limits
        },
    );
    let stage = stage.stage("{}").unwrap();
    let made = || stage.component().counters().snapshot().instantiations;
    let first = made();
    for _ in 0..7 {
        stage.call(Phase::Request, exchange()).await.1.unwrap();
    }
    assert_eq!(made() - first, 3);
    assert_eq!(stage.component().counters().snapshot().live_instances, 1);
}

#[tokio::test]
async fn nothing_of_a_stage_stays_when_it_is_dropped() {
    let noop = filter(&runtime(), "noop", limits());
    let stage = noop.stage("{}").unwrap();
    stage.call(Phase::Request, exchange()).await.1.unwrap();
    assert_eq!(noop.counters().snapshot().live_instances, 1);
    drop(stage);
    assert_eq!(noop.counters().snapshot().live_instances, 0);
}
