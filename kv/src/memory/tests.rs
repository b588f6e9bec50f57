//! Bounds and expiry of the memory back end; what all back ends share is in `tests/contract.rs`.

use std::sync::Arc;

use super::*;
use crate::clock::Manual;

const SECOND: Duration = Duration::from_secs(1);

fn store(max_entries: usize, max_bytes: usize) -> (Memory, Arc<Manual>) {
    let clock = Arc::new(Manual::at(SECOND));
    (
        Memory::with_clock(
            Options {
                max_entries,
                max_bytes,
            },
            Arc::clone(&clock),
        ),
        clock,
    )
}

#[tokio::test]
async fn refuses_a_key_above_the_bound_and_keeps_the_others() {
    let (store, _) = store(2, usize::MAX);
    store.set("a", "1".into(), None).await.unwrap();
    store.set("b", "2".into(), None).await.unwrap();
    let refused = store.set("c", "3".into(), None).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the key-value store is full: 2 keys are held"
    );
    assert!(matches!(
        store.increment("n", 1, None).await,
        Err(Error::Full(_))
    ));
    assert!(matches!(
        store.compare_and_set("c", None, "3".into(), None).await,
        Err(Error::Full(_))
    ));

    store.set("a", "4".into(), None).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap(), "4");
    assert!(store.delete("b").await.unwrap());
    store.set("c", "3".into(), None).await.unwrap();
    assert_eq!(store.entries(), 2);
}

#[tokio::test]
async fn refuses_bytes_above_the_bound_and_counts_back_what_is_deleted() {
    let (store, _) = store(usize::MAX, 2000);
    store.set("a", vec![0; 1500].into(), None).await.unwrap();
    assert!(matches!(
        store.set("b", vec![0; 500].into(), None).await,
        Err(Error::Full(_))
    ));
    assert!(matches!(
        store.set("a", vec![0; 2000].into(), None).await,
        Err(Error::Full(_))
    ));
    assert_eq!(
        store.get("a").await.unwrap().unwrap().len(),
        1500,
        "a refused write changes nothing"
    );
    store.set("a", vec![0; 100].into(), None).await.unwrap();
    store.set("b", vec![0; 500].into(), None).await.unwrap();
    store.delete("a").await.unwrap();
    store.delete("b").await.unwrap();
    assert_eq!((store.entries(), store.bytes()), (0, 0));
}

#[tokio::test]
async fn what_has_expired_makes_room() {
    let (store, clock) = store(100, usize::MAX);
    for n in 0..100 {
        store
            .set(&format!("k{n}"), "x".into(), Some(SECOND))
            .await
            .unwrap();
    }
    assert!(matches!(
        store.set("one more", "x".into(), None).await,
        Err(Error::Full(_))
    ));
    clock.advance(SECOND);
    store.set("one more", "x".into(), None).await.unwrap();
    assert_eq!(store.list("", None, 10).await.unwrap().keys, ["one more"]);
}

#[tokio::test]
async fn expired_values_go_while_others_are_written() {
    let (store, clock) = store(usize::MAX, usize::MAX);
    for n in 0..1000 {
        store
            .set(&format!("old{n}"), "x".into(), Some(SECOND))
            .await
            .unwrap();
    }
    clock.advance(SECOND);
    for n in 0..1000 {
        store
            .set(&format!("new{n}"), "x".into(), None)
            .await
            .unwrap();
    }
    assert!(store.entries() < 1100, "{} keys are held", store.entries());
}

#[tokio::test]
async fn a_value_without_ttl_over_one_with_ttl_stays() {
    let (store, clock) = store(10, usize::MAX);
    store.set("a", "1".into(), Some(SECOND)).await.unwrap();
    store.set("a", "2".into(), None).await.unwrap();
    clock.advance(10 * SECOND);
    store.set("b", "3".into(), None).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap(), "2");
}
