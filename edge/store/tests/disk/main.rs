//! The disk tier over real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;
mod room;
mod support;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use proptest::prelude::*;
use support::{Folder, KEY, body, fill, get, key};
use zephyr_store::{Disk, DiskConfig, Filled, Kind, Life, NewObject, Purges, ReadError};

#[tokio::test]
async fn objects_come_back_after_a_restart_as_they_were() {
    let folder = Folder::new();
    let lengths = [0, 1, 65_535, 65_536, 65_537, 300_000];
    {
        let (disk, _) = folder.open();
        for (number, length) in lengths.into_iter().enumerate() {
            assert!(folder.put(&disk, number as u64, length));
        }
        disk.flush().await;
        for (number, length) in lengths.into_iter().enumerate() {
            assert_eq!(
                get(&disk, number as u64).await.unwrap(),
                body(number as u64, length)
            );
        }
        assert_eq!(disk.stats().objects, lengths.len() as u64);
    }
    let (disk, _) = folder.open();
    assert_eq!(disk.stats().objects, lengths.len() as u64);
    for (number, length) in lengths.into_iter().enumerate() {
        assert_eq!(
            get(&disk, number as u64).await.unwrap(),
            body(number as u64, length)
        );
    }
    assert!(!disk.contains(99) && disk.load(99).await.is_empty());
    assert!(disk.stats().read_errors == 0 && disk.stats().write_errors == 0);
}

#[tokio::test]
async fn a_part_is_read_as_a_part() {
    let folder = Folder::new();
    let (disk, _) = folder.open();
    folder.put(&disk, 1, 500_000);
    disk.flush().await;
    let object = disk.load(1).await.remove(0).object;
    let whole = body(1, 500_000);
    for part in [
        0..1,
        65_535..65_537,
        131_072..131_073,
        1..499_999,
        499_999..600_000,
        9..9,
    ] {
        let read = disk
            .read(&object, part.clone())
            .unwrap()
            .all()
            .await
            .unwrap();
        let end = (part.end as usize).min(whole.len());
        assert_eq!(read, whole[part.start as usize..end], "{part:?}");
    }
}

#[tokio::test]
async fn a_new_object_takes_the_place_of_the_old_one_of_its_variant() {
    let folder = Folder::new();
    let new = |variant, meta| NewObject {
        hash: 5,
        variant,
        began: 1,
        key: KEY,
        meta,
    };
    {
        let (disk, _) = folder.open();
        for (variant, meta) in [(1, &b"a"[..]), (2, b"b"), (1, b"c")] {
            assert!(disk.put(new(variant, meta), Bytes::copy_from_slice(meta)));
        }
        disk.flush().await;
        let loaded = disk.load(5).await;
        let of = |variant| {
            loaded
                .iter()
                .find(|found| found.variant == variant)
                .unwrap()
        };
        assert_eq!((loaded.len(), &of(1).meta[..]), (2, &b"c"[..]));
        disk.update(&of(2).object, 3, KEY, b"updated");
        disk.remove(&of(1).object);
        disk.flush().await;
    }
    let (disk, purges) = folder.open();
    let loaded = disk.load(5).await;
    assert_eq!(loaded.len(), 1);
    assert_eq!((&loaded[0].meta[..], loaded[0].began), (&b"updated"[..], 3));
    let body = disk
        .read(&loaded[0].object, 0..10)
        .unwrap()
        .all()
        .await
        .unwrap();
    assert_eq!(body, "b");
    assert_eq!(purges.begin(), 3, "time goes on from the latest object");
    disk.remove_all(5);
    disk.flush().await;
    drop((disk, purges));
    assert_eq!(folder.open().0.stats().objects, 0);
}

#[tokio::test]
async fn a_body_streams_in_and_is_followed_from_memory_and_disk() {
    let folder = Folder::new();
    let (disk, _) = folder.open();
    let whole = body(3, 3_000_000);
    let filler = fill(&disk, 3).unwrap();
    let fill = filler.fill();
    let mut slow = fill.follow(0..u64::MAX).unwrap();
    for chunk in whole.chunks(10_000) {
        assert!(filler.room().await);
        filler.append(Bytes::copy_from_slice(chunk));
    }
    disk.flush().await;
    assert!(
        disk.stats().pending_bytes < 65_536,
        "what is written is not held"
    );
    let mut read = Vec::new();
    while read.len() < 1_000_000 {
        read.extend_from_slice(&slow.next().await.unwrap().unwrap());
    }
    assert!(!disk.contains(3), "it is not whole yet");
    let Filled::Disk(object) = filler.finish().await else {
        panic!("it is stored");
    };
    while let Some(chunk) = slow.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(read, whole);
    assert_eq!(object.length(), 3_000_000);
    assert_eq!(get(&disk, 3).await.unwrap(), whole);
    drop(disk);
    assert!(!object.is_there() || folder.files().len() == 1);
    let (disk, _) = folder.open();
    assert_eq!(get(&disk, 3).await.unwrap(), whole);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored_and_what_is_around_it_is() {
    let folder = Folder::new();
    {
        let (disk, _) = folder.open();
        folder.put(&disk, 1, 1000);
        disk.flush().await;
        let filler = fill(&disk, 2).unwrap();
        let mut follower = filler.fill().follow(0..u64::MAX).unwrap();
        filler.append(Bytes::from(body(2, 200_000)));
        disk.flush().await;
        drop(filler);
        folder.put(&disk, 3, 1000);
        disk.flush().await;
        let mut read = 0;
        let end = loop {
            match follower.next().await.unwrap() {
                Ok(chunk) => read += chunk.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(read, 200_000);
        assert!(matches!(end, ReadError::CutOff));
        assert_eq!(disk.stats().pending_bytes, 0);
    }
    let (disk, _) = folder.open();
    assert!(get(&disk, 2).await.is_none());
    for number in [1, 3] {
        assert_eq!(get(&disk, number).await.unwrap(), body(number, 1000));
    }
}

#[tokio::test]
async fn the_folder_stays_below_its_bytes_and_keeps_what_is_used() {
    let folder = Folder::with(|config| config.max_bytes = 8 << 20);
    let (disk, _) = folder.open();
    for number in 0..400 {
        // Asked for twice: admitted though room is short.
        for _ in 0..2 {
            folder.put(&disk, number, 100_000);
        }
        disk.flush().await;
        let read = get(&disk, 0).await;
        assert_eq!(read.unwrap(), body(0, 100_000), "after {number}");
        assert!(disk.stats().bytes <= 8 << 20);
        assert!(folder.bytes() <= 8 << 20);
    }
    let stats = disk.stats();
    assert!(stats.evicted > 300 && stats.kept > 0, "{stats:?}");
    assert_eq!(stats.read_errors + stats.write_errors, 0);
    let mut there = 0;
    for number in 0..400 {
        if let Some(read) = get(&disk, number).await {
            assert_eq!(read, body(number, 100_000));
            there += 1;
        }
    }
    assert!(there > 30, "{there}");
    drop(disk);
    let (disk, _) = folder.open();
    assert_eq!(disk.stats().objects, there);
}

/// What is used is written again to make room, but not over what takes its place.
#[tokio::test]
async fn what_makes_room_for_its_successor_does_not_outlive_it() {
    for names in 10..24 {
        let folder = Folder::with(|config| config.max_bytes = 2 << 20);
        let mut open = folder.open();
        for version in 0..150 {
            let (disk, name) = (&open.0, version % names);
            let bytes = Bytes::from(body(version, 100_000));
            let stored = disk.put(folder.new_object(name), bytes);
            disk.flush().await;
            if version % 50 == 49 {
                drop(open);
                open = folder.open();
            }
            if let Some(read) = get(&open.0, name).await {
                assert!(
                    stored && read == body(version, 100_000),
                    "{version} of {names}"
                );
            }
        }
    }
}

/// The end of a body may be seen on a look that was ordered before it, which leaves one order too
/// many.
#[tokio::test]
async fn a_body_is_stored_however_its_end_meets_the_look_at_it() {
    let folder = Folder::new();
    let (disk, _) = folder.open();
    for number in 0..300 {
        let filler = fill(&disk, number).unwrap();
        filler.append(Bytes::from(body(number, 65_536 + number as usize)));
        assert!(matches!(filler.finish().await, Filled::Disk(_)));
        disk.flush().await;
        assert!(disk.contains(number), "{number}");
    }
    assert_eq!(disk.stats().write_errors, 0);
}

#[tokio::test]
async fn what_is_asked_for_once_does_not_wash_out_the_rest() {
    let folder = Folder::with(|config| config.max_bytes = 4 << 20);
    let (disk, _) = folder.open();
    for number in 0..1000 {
        folder.put(&disk, number, 50_000);
        disk.flush().await;
    }
    let stats = disk.stats();
    assert!(stats.not_admitted > 800, "{stats:?}");
    assert_eq!(get(&disk, 0).await.unwrap(), body(0, 50_000));
}

#[tokio::test]
async fn what_does_not_fit_the_write_buffer_is_dropped_and_counted() {
    let folder = Folder::with(|config| config.write_buffer = 10_000);
    let (disk, _) = folder.open();
    assert!(!folder.put(&disk, 1, 20_000));
    assert!(folder.put(&disk, 2, 5_000));
    let filler = fill(&disk, 3).unwrap();
    let mut follower = filler.fill().follow(0..u64::MAX).unwrap();
    filler.append(Bytes::from(body(3, 30_000)));
    assert!(!filler.is_kept());
    assert_eq!(follower.next().await.unwrap().unwrap(), body(3, 30_000));
    assert!(matches!(filler.finish().await, Filled::Nothing));
    disk.flush().await;
    let stats = disk.stats();
    assert_eq!(
        (stats.dropped, stats.objects, stats.pending_bytes),
        (2, 1, 0)
    );
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let folder = Folder::with(|config| config.patience = std::time::Duration::ZERO);
    let (disk, purges) = folder.open();
    let again = Disk::open(folder.config());
    assert!(again.unwrap_err().to_string().contains("in use"));
    drop(disk);
    assert!(
        Disk::open(folder.config()).is_err(),
        "its journal is still written"
    );
    drop(purges);
    assert!(Disk::open(folder.config()).is_ok());
}

#[tokio::test]
async fn the_folder_changes_hands_while_both_processes_purge() {
    let folder = Folder::with(|config| config.patience = std::time::Duration::ZERO);
    let (disk, purges) = folder.open();
    let began = purges.begin();
    let new_object = |number, began| NewObject {
        began,
        ..folder.new_object(number)
    };
    assert!(disk.put(new_object(1, began), Bytes::from(body(1, 1000))));
    let waiting = Purges::beside(folder.path());
    assert_eq!(
        waiting.hashes().hash(&[b"a"]),
        purges.hashes().hash(&[b"a"])
    );
    waiting.purge(7, Kind::Hard);
    purges.purge(8, Kind::Hard);
    assert!(Disk::open_for(folder.config(), &waiting).is_err());
    disk.close();
    purges.detach();
    assert!(!disk.contains(1));
    assert!(!folder.put(&disk, 3, 1000), "it is closed");

    let next = Disk::open_for(folder.config(), &waiting).unwrap();
    let found = next.load(1).await.remove(0);
    let life = |purges: &Purges, name| purges.life(&purges.names(found.began, [name]));
    let lives = |purges: &Purges| [7, 8, 9].map(|name| life(purges, name));
    assert_eq!(lives(&waiting), [Life::Gone, Life::Gone, Life::Alive]);
    let later = waiting.begin();
    assert!(next.put(new_object(2, later), Bytes::from(body(2, 1000))));
    next.flush().await;
    // The first one gets it back: what it purged meanwhile is gone.
    purges.purge(9, Kind::Hard);
    next.close();
    waiting.detach();
    let disk = Disk::open_for(folder.config(), &purges).unwrap();
    let of_next = disk.load(2).await.remove(0);
    assert_eq!(of_next.began, later);
    let names = |name| purges.names(later, [name]);
    assert_eq!(purges.life(&names(9)), Life::Gone);
    assert_eq!(purges.life(&names(10)), Life::Alive);
    assert_eq!(get(&disk, 1).await.unwrap(), body(1, 1000));
    drop((disk, purges));
    // And all of it is written down.
    let (_disk, purges) = folder.open();
    assert_eq!(lives(&purges), [Life::Gone; 3]);
}

#[tokio::test]
async fn a_purge_counts_for_what_is_found_later() {
    let folder = Folder::new();
    let (before, after);
    {
        let (disk, purges) = folder.open();
        before = purges.begin();
        purges.purge(7, Kind::Hard);
        after = purges.begin();
        folder.put(&disk, 1, 10);
        disk.flush().await;
        purges.written(after).await;
    }
    let (disk, purges) = folder.open();
    assert_eq!(purges.life(&purges.names(before, [7])), Life::Gone);
    assert_eq!(purges.life(&purges.names(after, [7])), Life::Alive);
    assert_eq!(disk.oldest(), 1);
    purges.purge_all(Kind::Hard);
    disk.clear();
    disk.flush().await;
    assert_eq!((disk.stats().objects, disk.stats().bytes), (0, 0));
    drop((disk, purges));
    assert!(folder.files().is_empty());
}

#[tokio::test]
async fn without_its_journal_nothing_of_a_folder_is_trusted() {
    let folder = Folder::new();
    let (disk, purges) = folder.open();
    folder.put(&disk, 1, 10);
    disk.flush().await;
    drop((disk, purges));
    fs::remove_file(folder.path().join("purges.log")).unwrap();
    assert_eq!(folder.open().0.stats().objects, 0);
}

/// Cuts and flips files and opens them again: what is read is right, or nothing.
#[test]
fn damage_costs_objects_and_never_gives_wrong_bytes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let folder = Folder::new();
    runtime.block_on(async {
        let (disk, _) = folder.open();
        for number in 0..60 {
            folder.put(&disk, number, (number as usize * 7919) % 150_000);
        }
        let filler = fill(&disk, 60).unwrap();
        for chunk in body(60, 400_000).chunks(30_000) {
            filler.append(Bytes::copy_from_slice(chunk));
        }
        assert!(matches!(filler.finish().await, Filled::Disk(_)));
    });
    let files: Vec<_> = folder
        .files()
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    let lost = std::cell::Cell::new(0);
    proptest!(ProptestConfig::with_cases(150), |(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u8), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    )| {
        for (bytes, path) in &files {
            fs::write(path, bytes).unwrap();
        }
        for (file, at, bit) in &flips {
            let (bytes, path) = file.get(&files);
            let at = at.index(bytes.len());
            let file = fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(&[bytes[at] ^ (1 << bit)], at as u64).unwrap();
        }
        if let Some(cut) = cut {
            let (bytes, path) = cut.get(&files);
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(cut.index(bytes.len()) as u64).unwrap();
        }
        runtime.block_on(async {
            let (disk, _) = folder.open();
            for number in 0..61 {
                let length = if number == 60 { 400_000 } else { (number as usize * 7919) % 150_000 };
                match get(&disk, number).await {
                    Some(read) => assert_eq!(read, body(number, length), "{number}"),
                    None => lost.set(lost.get() + 1),
                }
            }
        });
    });
    assert!(lost.get() > 0, "the damage shows");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, usize),
    Stream(u64, usize, bool),
    Remove(u64),
    Restart,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = 0..12_u64;
    let length = prop_oneof![0..200_usize, 60_000..140_000_usize];
    prop::collection::vec(
        prop_oneof![
            6 => (name.clone(), length.clone()).prop_map(|(name, length)| Step::Put(name, length)),
            3 => (name.clone(), length, any::<bool>()).prop_map(|(name, length, whole)| Step::Stream(name, length, whole)),
            2 => name.prop_map(Step::Remove),
            1 => Just(Step::Restart),
            1 => Just(Step::Clear),
        ],
        1..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The store is a map that may forget: what comes out is what went in last, or nothing.
    #[test]
    fn a_store_is_a_map_that_may_forget(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = Folder::with(|config| config.max_bytes = 2 << 20);
            let mut model: HashMap<u64, (u64, usize)> = HashMap::new();
            let mut open = Some(folder.open());
            for (version, step) in (1000..).zip(steps) {
                let (disk, purges) = open.as_ref().unwrap();
                match step {
                    Step::Put(name, length) => {
                        let bytes = Bytes::from(body(version, length));
                        if disk.put(folder.new_object(name), bytes) {
                            model.insert(name, (version, length));
                        } else {
                            model.remove(&name);
                        }
                    }
                    Step::Stream(name, length, whole) => {
                        if let Some(filler) = fill(disk, name) {
                            for chunk in body(version, length).chunks(9_999) {
                                filler.append(Bytes::copy_from_slice(chunk));
                            }
                            if whole && matches!(filler.finish().await, Filled::Disk(_)) {
                                model.insert(name, (version, length));
                            }
                        } else {
                            model.remove(&name);
                        }
                    }
                    Step::Remove(name) => {
                        disk.remove_all(name);
                        model.remove(&name);
                    }
                    Step::Restart => {
                        open = None;
                        open.get_or_insert_with(|| folder.open());
                    }
                    Step::Clear => {
                        purges.purge_all(Kind::Hard);
                        disk.clear();
                        model.clear();
                    }
                }
                let (disk, _) = open.as_ref().unwrap();
                disk.flush().await;
                for name in 0..12 {
                    match (get(disk, name).await, model.get(&name)) {
                        (Some(read), Some((version, length))) => assert_eq!(read, body(*version, *length)),
                        (Some(_), None) => panic!("{name} was removed"),
                        (None, _) => {}
                    }
                }
                assert!(folder.bytes() <= 2 << 20);
            }
            let (disk, _) = open.as_ref().unwrap();
            assert_eq!(disk.stats().read_errors + disk.stats().write_errors, 0);
        });
    }
}

#[test]
fn the_configuration_has_sensible_bounds() {
    let config = DiskConfig::new("x".into(), 1 << 40);
    assert!(config.segment_bytes <= 64 << 20 && config.write_buffer <= 64 << 20);
    assert_ne!(key(1), key(2));
}
