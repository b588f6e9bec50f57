//! What only a file has: it survives, it can be damaged, and it must be swept.

use std::io::Write as _;

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::*;
use crate::clock::Manual;

const SECOND: Duration = Duration::from_secs(1);

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    (folder, path)
}

fn rows(store: &Redb) -> (u64, u64) {
    let transaction = store.database.begin_read().unwrap();
    let keys = transaction.open_table(KEYS).unwrap().len().unwrap();
    (
        keys,
        transaction
            .open_table(tables::EXPIRIES)
            .unwrap()
            .len()
            .unwrap(),
    )
}

#[tokio::test]
async fn values_and_their_expiry_survive_the_process() {
    let (_folder, path) = file();
    let clock = Arc::new(Manual::at(SECOND));
    let store = Redb::open_with_clock(&path, Arc::clone(&clock))
        .await
        .unwrap();
    store.set("stays", "1".into(), None).await.unwrap();
    store
        .set("goes", "2".into(), Some(10 * SECOND))
        .await
        .unwrap();
    drop(store);

    let store = Redb::open_with_clock(&path, Arc::clone(&clock))
        .await
        .unwrap();
    assert_eq!(store.get("goes").await.unwrap().unwrap(), "2");
    clock.advance(10 * SECOND);
    assert_eq!(store.get("goes").await.unwrap(), None);
    assert_eq!(store.get("stays").await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn a_copy_of_the_open_file_holds_all_that_was_answered() {
    // The file as a crash at this moment would leave it: nothing was closed.
    let (folder, path) = file();
    let store = Redb::open(&path).await.unwrap();
    for n in 0..50 {
        store
            .set(&format!("k{n}"), n.to_string().into(), None)
            .await
            .unwrap();
    }
    let crashed = folder.path().join("crashed.redb");
    std::fs::copy(&path, &crashed).unwrap();

    let recovered = Redb::open(&crashed).await.unwrap();
    assert_eq!(recovered.list("k", None, 100).await.unwrap().keys.len(), 50);
    recovered.set("k50", "50".into(), None).await.unwrap();
}

#[tokio::test]
async fn a_file_in_use_is_refused_by_name() {
    let (_folder, path) = file();
    let _store = Redb::open(&path).await.unwrap();
    let error = Redb::open(&path).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }));
    assert!(error.to_string().contains("kv.redb is in use"), "{error}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_alone() {
    let (_folder, path) = file();
    let garbage = b"these are not the bytes of a database".repeat(1000);
    std::fs::write(&path, &garbage).unwrap();
    let error = Redb::open(&path).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("kv.redb"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let (_folder, path) = file();
    let store = Redb::open(&path).await.unwrap();
    for n in 0..200 {
        store
            .set(&format!("k{n}"), vec![7; 1000].into(), None)
            .await
            .unwrap();
    }
    drop(store);
    let length = std::fs::metadata(&path).unwrap().len();
    let mut damaged = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let at = std::io::Seek::seek(&mut damaged, std::io::SeekFrom::Start(4096)).unwrap();
    damaged
        .write_all(&vec![0xa5; usize::try_from(length - at).unwrap()])
        .unwrap();
    drop(damaged);
    let error = Redb::open(&path).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn expired_values_leave_the_file_with_later_writes() {
    let (_folder, path) = file();
    let clock = Arc::new(Manual::at(SECOND));
    let store = Redb::open_with_clock(&path, Arc::clone(&clock))
        .await
        .unwrap();
    for n in 0..20 {
        store
            .set(&format!("old{n}"), "x".into(), Some(SECOND))
            .await
            .unwrap();
    }
    assert_eq!(rows(&store), (20, 20));
    clock.advance(SECOND);
    for n in 0..5 {
        store
            .set(&format!("new{n}"), "x".into(), None)
            .await
            .unwrap();
    }
    assert_eq!(rows(&store), (5, 0));
}

#[tokio::test]
async fn a_sweep_removes_all_that_has_expired_and_nothing_else() {
    let (_folder, path) = file();
    let clock = Arc::new(Manual::at(SECOND));
    let store = Redb::open_with_clock(&path, Arc::clone(&clock))
        .await
        .unwrap();
    for n in 0..10 {
        store
            .set(&format!("short{n}"), "x".into(), Some(SECOND))
            .await
            .unwrap();
        store
            .set(&format!("long{n}"), "x".into(), Some(60 * SECOND))
            .await
            .unwrap();
    }
    store
        .set("short0", "now for good".into(), None)
        .await
        .unwrap();
    clock.advance(SECOND);
    assert_eq!(store.sweep().await.unwrap(), 9);
    assert_eq!(rows(&store), (11, 10));
}

#[tokio::test]
async fn writes_that_wait_share_a_transaction_and_get_their_own_answers() {
    let (_folder, path) = file();
    let store = Arc::new(Redb::open(&path).await.unwrap());
    store.set("word", "x".into(), None).await.unwrap();
    let calls = (0..64).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let key = if n % 8 == 0 { "word" } else { "n" };
            store.increment(key, 1, None).await
        })
    });
    let (mut sums, mut refused) = (Vec::new(), 0);
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(sum) => sums.push(sum),
            Err(Error::NotACounter) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=56).collect::<Vec<i64>>());
    assert_eq!(refused, 8);
}
