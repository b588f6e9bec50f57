//! The limiter over a real Redis: it counts like the one in memory, exactly, and for all nodes.
#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

use std::time::Duration;

use zephyr_edge::capability::RateLimiter as _;
use zephyr_edge::capability::limiter::{RedisLimiter, RedisOptions};
use zephyr_edge_core::capability::{Decision, Limit, LimiterError};

/// A limiter whose keys no other test has.
fn limiter(test: &str) -> RedisLimiter {
    let url = std::env::var("ZEPHYR_TEST_REDIS_URL");
    let url = url.expect("ZEPHYR_TEST_REDIS_URL is not set: run `cargo xtask test`");
    let mut options = RedisOptions::new(url.into());
    options.prefix = format!("test:{}:{test}:", std::process::id());
    options.timeout = Duration::from_secs(10);
    RedisLimiter::connect(options).unwrap()
}

fn limit(key: &str, burst: u32) -> Limit {
    Limit {
        key: key.to_owned(),
        count: 1,
        period: Duration::from_secs(3600),
        burst,
        cost: 1,
    }
}

async fn check(limiter: &RedisLimiter, limits: &[Limit]) -> Vec<Decision> {
    limiter.check(limits).get().await.unwrap()
}

#[tokio::test]
async fn a_burst_is_allowed_and_no_more() {
    let limiter = limiter("burst");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let decision = check(&limiter, &[limit("a", 3)]).await[0];
        seen.push((decision.allowed, decision.remaining));
    }
    assert_eq!(seen, [(true, 2), (true, 1), (true, 0), (false, 0)]);
    let refused = check(&limiter, &[limit("a", 3)]).await[0];
    let hour = Duration::from_secs(3600);
    assert!(refused.retry_after > hour - Duration::from_secs(60) && refused.retry_after <= hour);
    assert!(refused.reset_after > 2 * hour && refused.reset_after <= 3 * hour);
    assert!(check(&limiter, &[limit("b", 3)]).await[0].allowed);
}

#[tokio::test]
async fn all_are_counted_or_none() {
    let limiter = limiter("all");
    let both = [limit("wide", 10), limit("narrow", 1)];
    assert!(
        check(&limiter, &both)
            .await
            .iter()
            .all(|decision| decision.allowed)
    );
    let refused = check(&limiter, &both).await;
    assert_eq!((refused[0].allowed, refused[0].remaining), (true, 9));
    assert!(!refused[1].allowed);
    let look = Limit {
        cost: 0,
        ..limit("wide", 10)
    };
    assert_eq!(check(&limiter, &[look]).await[0].remaining, 9);
}

#[tokio::test]
async fn a_key_comes_back_at_its_rate() {
    let limiter = limiter("rate");
    let fast = Limit {
        count: 1000,
        period: Duration::from_secs(1),
        ..limit("a", 1)
    };
    assert!(check(&limiter, std::slice::from_ref(&fast)).await[0].allowed);
    // One a millisecond: asking again and again, one is allowed before long, and never at once two
    // in the same millisecond by the server's clock.
    let allowed = async { while !check(&limiter, std::slice::from_ref(&fast)).await[0].allowed {} };
    tokio::time::timeout(Duration::from_secs(30), allowed)
        .await
        .unwrap();
}

#[tokio::test]
async fn nodes_count_together_and_exactly() {
    let limiters = [
        limiter("nodes"),
        limiter("nodes"),
        limiter("nodes"),
        limiter("nodes"),
    ];
    let calls = (0..200).map(|index| {
        let limiter = &limiters[index % limiters.len()];
        async move {
            let mut limits = vec![limit("a", 50), limit("b", 60)];
            if index % 2 == 0 {
                limits.reverse();
            }
            check(limiter, &limits)
                .await
                .iter()
                .all(|decision| decision.allowed)
        }
    });
    let allowed = futures_util::future::join_all(calls).await;
    assert_eq!(allowed.iter().filter(|allowed| **allowed).count(), 50);
    let look = Limit {
        cost: 0,
        ..limit("b", 60)
    };
    assert_eq!(check(&limiters[0], &[look]).await[0].remaining, 10);
}

#[tokio::test]
async fn bad_limits_and_dead_servers_are_errors() {
    let limits = [limit("", 1)];
    let error = limiter("bad").check(&limits).get().await.unwrap_err();
    assert!(matches!(error, LimiterError::Invalid(_)), "{error}");

    let socket = tempfile::tempdir().unwrap().path().join("nobody.sock");
    let url = format!("redis+unix://:secret@{}", socket.display());
    let dead = RedisLimiter::connect(RedisOptions::new(url.into()));
    let error = match dead {
        Ok(dead) => dead.check(&[limit("a", 1)]).get().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, LimiterError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
