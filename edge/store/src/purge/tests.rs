//! Names and purges, with a journal and without.

use std::fs;
use std::path::Path;

use super::known::{MAX_RECENT, SWEEP};
use super::*;

fn open(folder: &Path) -> std::io::Result<Purges> {
    let lock = tempfile::tempfile()?;
    Purges::open(folder, Arc::new(lock))
}

fn is_alive(purges: &Purges, names: &Names) -> bool {
    purges.life(names) == Life::Alive
}

#[test]
fn a_purge_reaches_what_has_the_name_and_nothing_else() {
    let purges = Purges::in_memory();
    let a = purges.names(purges.begin(), [1, 3]);
    let b = purges.names(purges.begin(), [2, 3]);
    assert!(is_alive(&purges, &a) && is_alive(&purges, &b));
    assert_eq!(purges.purge(1, Kind::Hard).met, 1);
    assert!(!is_alive(&purges, &a) && is_alive(&purges, &b));
    let again = purges.names(purges.begin(), [1, 3]);
    assert!(is_alive(&purges, &again), "what comes after a purge stays");
    purges.purge(3, Kind::Hard);
    assert!(!is_alive(&purges, &again) && !is_alive(&purges, &b));
    let last = purges.names(purges.begin(), []);
    let receipt = purges.purge_all(Kind::Hard);
    assert!(!is_alive(&purges, &last));
    assert_eq!(receipt.tick, purges.begin());
}

#[test]
fn a_soft_purge_makes_stale_and_a_hard_one_is_final() {
    let purges = Purges::in_memory();
    let names = purges.names(purges.begin(), [1, 2]);
    purges.purge(1, Kind::Soft(500));
    assert_eq!(purges.life(&names), Life::Stale(500));
    purges.purge(2, Kind::Soft(700));
    assert_eq!(
        purges.life(&names),
        Life::Stale(500),
        "it is stale since the first"
    );
    let fresh = purges.names(purges.begin(), [1, 2]);
    assert_eq!(purges.life(&fresh), Life::Alive);
    purges.purge_all(Kind::Soft(900));
    assert_eq!(purges.life(&fresh), Life::Stale(900));
    purges.purge(1, Kind::Hard);
    assert_eq!(purges.life(&names), Life::Gone);
}

#[test]
fn what_was_on_its_way_is_purged_too() {
    let purges = Purges::in_memory();
    let began = purges.begin();
    assert_eq!(
        purges.purge(1, Kind::Hard).met,
        0,
        "nothing stored has it yet"
    );
    assert!(!is_alive(&purges, &purges.names(began, [1])));
    assert!(is_alive(&purges, &purges.names(began, [2])));
    assert!(is_alive(&purges, &purges.names(purges.begin(), [1])));
}

#[test]
fn a_purge_outlives_the_names_it_met() {
    let purges = Purges::in_memory();
    drop(purges.names(purges.begin(), [7]));
    let began = purges.begin();
    purges.purge(7, Kind::Soft(5));
    for name in 0..3 * SWEEP as u64 {
        drop(purges.names(purges.begin(), [1000 + name]));
    }
    let (cells, _) = purges.shared.known.lock().sizes();
    assert!(cells < 2 * SWEEP, "unused names are forgotten");
    assert_eq!(purges.life(&purges.names(began, [7])), Life::Stale(5));
}

#[test]
fn when_too_much_is_purged_at_once_older_ones_are_lost_and_nothing_stale_is_given() {
    let purges = Purges::in_memory();
    let began = purges.begin();
    for name in 0..MAX_RECENT as u64 + 10 {
        purges.purge(name, Kind::Hard);
    }
    assert!(
        !is_alive(&purges, &purges.names(began, [0])),
        "its purge was forgotten"
    );
    let other = purges.names(began, [u64::MAX]);
    assert!(!is_alive(&purges, &other), "nobody knows any more");
    assert!(is_alive(&purges, &purges.names(purges.begin(), [0])));
    let (_, recent) = purges.shared.known.lock().sizes();
    assert!(recent <= MAX_RECENT);
}

#[test]
fn an_updated_answer_keeps_its_names() {
    let purges = Purges::in_memory();
    let old = purges.names(purges.begin(), [1, 2]);
    let new = purges.names(purges.begin(), [2, 3]).with(&old);
    assert_eq!(new.hashes().collect::<Vec<_>>(), [2, 3, 1]);
    purges.purge(1, Kind::Hard);
    assert!(!is_alive(&purges, &new));
}

#[test]
fn a_hundred_thousand_answers_under_one_name_are_purged_at_once() {
    let purges = Purges::in_memory();
    let began = purges.begin();
    let all: Vec<_> = (0..100_000)
        .map(|own| purges.names(began, [1, 10 + own]))
        .collect();
    let start = std::time::Instant::now();
    let receipt = purges.purge(1, Kind::Hard);
    let took = start.elapsed();
    assert_eq!(receipt.met, 100_000);
    assert!(all.iter().all(|names| purges.life(names) == Life::Gone));
    assert!(took.as_millis() < 10, "{took:?}");
}

#[tokio::test]
async fn purges_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let purges = open(folder.path()).unwrap();
    let (hashes, began) = (purges.hashes(), purges.begin());
    purges.purge(1, Kind::Hard);
    let between = purges.begin();
    purges.purge(2, Kind::Soft(77));
    purges.written(purges.begin()).await;
    // Not dropped before it is opened again, as after a crash.
    let again = open(folder.path()).unwrap();
    assert_eq!(again.hashes(), hashes);
    assert_eq!(again.begin(), purges.begin());
    let life = |began, name| again.life(&again.names(began, [name]));
    assert_eq!(life(began, 1), Life::Gone);
    assert_eq!(life(between, 1), Life::Alive);
    assert_eq!(life(between, 2), Life::Stale(77));
    assert_eq!(life(again.begin(), 2), Life::Alive);
    again.purge_all(Kind::Hard);
    drop(again);
    let last = open(folder.path()).unwrap();
    assert_eq!(last.life(&last.names(between, [])), Life::Gone);
}

#[test]
fn half_a_record_is_cut_off_and_any_other_damage_ends_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(journal::FILE);
    let purges = open(folder.path()).unwrap();
    let hashes = purges.hashes();
    for name in 0..5 {
        purges.purge(name, Kind::Hard);
    }
    drop(purges);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    let purges = open(folder.path()).unwrap();
    assert_eq!(purges.hashes(), hashes);
    assert_eq!(purges.life(&purges.names(1, [3])), Life::Gone);
    drop(purges);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        assert!(journal::read(&path).is_none(), "byte {at}");
    }
    fs::write(&path, &whole[..30]).unwrap();
    assert_ne!(open(folder.path()).unwrap().hashes(), hashes);
}

#[tokio::test]
async fn a_compact_journal_knows_what_still_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(journal::FILE);
    let purges = open(folder.path()).unwrap();
    for name in 0..20_000 {
        purges.purge(name, Kind::Hard);
    }
    let oldest = purges.begin();
    purges.purge(1, Kind::Hard);
    purges.written(purges.begin()).await;
    let before = fs::metadata(&path).unwrap().len();
    purges.compact(oldest);
    drop(purges);
    assert!(before > 20_000 * 32 && fs::metadata(&path).unwrap().len() < 1000);
    let again = open(folder.path()).unwrap();
    let life = |began, name| again.life(&again.names(began, [name]));
    assert_eq!(life(oldest, 1), Life::Gone);
    assert_eq!(life(oldest, 2), Life::Alive);
    assert_eq!(
        life(oldest - 1, 2),
        Life::Gone,
        "what is older counts as purged"
    );
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_is_not_trusted_later() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("store");
    fs::create_dir(&inner).unwrap();
    let purges = open(&inner).unwrap();
    let hashes = purges.hashes();
    // Rewriting fails because the folder is gone.
    fs::remove_dir_all(&inner).unwrap();
    for name in 0..10_000 {
        purges.purge(name, Kind::Hard);
    }
    purges.written(purges.begin()).await;
    purges.compact(purges.begin());
    while purges.journal_errors() == 0 {
        tokio::task::yield_now().await;
    }
    drop(purges);
    fs::create_dir(&inner).unwrap();
    assert_ne!(open(&inner).unwrap().hashes(), hashes);
}
