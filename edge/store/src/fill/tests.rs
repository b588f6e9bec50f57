//! Bodies on their way, in memory.

use super::*;
use crate::disk::ReadError;

async fn all(mut follower: Follower) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    while let Some(chunk) = follower.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

#[tokio::test]
async fn readers_follow_whenever_they_join() {
    let filler = Filler::in_memory();
    let fill = filler.fill();
    let early = tokio::spawn(all(fill.follow(0..u64::MAX).unwrap()));
    let part = tokio::spawn(all(fill.follow(3..9).unwrap()));
    filler.append(Bytes::from_static(b"hello "));
    filler.append(Bytes::new());
    let late = tokio::spawn(all(fill.follow(0..u64::MAX).unwrap()));
    tokio::task::yield_now().await;
    filler.append(Bytes::from_static(b"world"));
    assert_eq!(fill.length(), (11, false));
    let Filled::Memory(whole) = filler.finish().await else {
        panic!("it is kept");
    };
    assert_eq!(whole, "hello world");
    for reader in [early, late] {
        assert_eq!(reader.await.unwrap().unwrap(), b"hello world");
    }
    assert_eq!(part.await.unwrap().unwrap(), b"lo wor");
    assert_eq!(
        all(fill.follow(6..u64::MAX).unwrap()).await.unwrap(),
        b"world"
    );
    assert_eq!(fill.length(), (11, true));
}

#[tokio::test]
async fn who_follows_what_is_cut_off_gets_what_there_was_and_an_error() {
    let filler = Filler::in_memory();
    let mut follower = filler.fill().follow(0..u64::MAX).unwrap();
    filler.append(Bytes::from_static(b"half"));
    drop(filler);
    assert_eq!(follower.next().await.unwrap().unwrap(), "half");
    assert!(matches!(
        follower.next().await,
        Some(Err(ReadError::CutOff))
    ));
    assert!(follower.next().await.is_none());
}

#[tokio::test]
async fn what_is_not_kept_waits_for_its_readers_and_takes_no_more_than_a_window() {
    let filler = Filler::in_memory();
    let fill = filler.fill();
    let mut follower = fill.follow(0..u64::MAX).unwrap();
    let chunk = Bytes::from(vec![7; 100 * 1024]);
    filler.append(chunk.clone());
    filler.give_up();
    assert!(!filler.is_kept());
    for _ in 0..2 {
        assert!(filler.room().await);
        filler.append(chunk.clone());
    }
    let mut room = Box::pin(filler.room());
    assert!(futures_now(&mut room).is_none(), "the window is full");
    assert_eq!(follower.next().await.unwrap().unwrap().len(), chunk.len());
    assert_eq!(futures_now(&mut room), Some(true));
    drop(room);
    assert!(fill.follow(0..u64::MAX).is_none(), "its start is gone");
    drop(follower);
    assert!(!filler.room().await, "nobody reads");
    assert!(matches!(filler.finish().await, Filled::Nothing));
}

/// Polls a future once.
fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    use std::task::{Context, Poll, Waker};
    let mut cx = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(future).poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
