//! What happens to objects that are written again to make room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zephyr_store::{Disk, Object};

use crate::support::{Folder, KEY, body, get};

/// A folder whose first segment goes when not much more is stored.
fn folder() -> Folder {
    Folder::with(|config| {
        config.max_bytes = 16 << 20;
        config.segment_bytes = 2 << 20;
    })
}

/// Stores objects of 60 KiB, and uses them; gives what knows them.
async fn used(folder: &Folder, disk: &Disk, count: u64) -> Vec<Object> {
    for number in 0..count {
        assert!(folder.put(disk, number, 60_000));
    }
    disk.flush().await;
    let mut objects = Vec::new();
    for number in 0..count {
        objects.push(disk.load(number).await.remove(0).object);
    }
    objects
}

/// Stores others until the first segment had to go.
async fn until_kept(folder: &Folder, disk: &Disk, from: u64) {
    let mut number = from;
    while disk.stats().kept == 0 {
        assert!(number < from + 1000, "nothing is kept");
        // What is asked for twice is worth the room.
        folder.put(disk, number, 200_000);
        folder.put(disk, number, 200_000);
        disk.flush().await;
        number += 1;
    }
}

#[tokio::test]
async fn what_was_written_again_is_still_meant_by_who_knows_it() {
    let folder = folder();
    let (kept, removed, updated);
    {
        let (disk, _) = folder.open();
        let objects = used(&folder, &disk, 30).await;
        until_kept(&folder, &disk, 100).await;
        let mut moved = Vec::new();
        for number in 0..30 {
            if get(&disk, number).await.is_some() && !objects[number as usize].is_there() {
                moved.push(number);
            }
        }
        assert!(moved.len() >= 3, "{moved:?}");
        (kept, removed, updated) = (moved[0], moved[1], moved[2]);
        disk.remove(&objects[removed as usize]);
        disk.update(&objects[updated as usize], 5, KEY, b"updated");
        disk.flush().await;
        assert!(disk.load(removed).await.is_empty(), "removed");
        assert_eq!(&disk.load(updated).await[0].meta[..], b"updated");
    }
    let (disk, _) = folder.open();
    assert!(
        disk.load(removed).await.is_empty(),
        "after a restart as well"
    );
    let found = disk.load(updated).await.remove(0);
    assert_eq!((&found.meta[..], found.began), (&b"updated"[..], 5));
    assert_eq!(get(&disk, kept).await.unwrap(), body(kept, 60_000));
}

#[tokio::test]
async fn what_is_removed_while_it_is_written_again_does_not_come_back() {
    for _ in 0..5 {
        let folder = folder();
        {
            let (disk, _) = folder.open();
            let disk = Arc::new(disk);
            let objects = used(&folder, &disk, 30).await;
            let remover = std::thread::spawn({
                let disk = Arc::clone(&disk);
                move || {
                    let until = Instant::now() + Duration::from_secs(20);
                    // The first of them is written again: the others are about to be.
                    while disk.stats().kept == 0 && Instant::now() < until {
                        std::hint::spin_loop();
                    }
                    // From the last on: the first are there again already.
                    objects.iter().rev().for_each(|object| disk.remove(object));
                }
            });
            until_kept(&folder, &disk, 100).await;
            remover.join().unwrap();
            disk.flush().await;
            for number in (0..30).rev() {
                assert!(disk.load(number).await.is_empty(), "{number}");
            }
        }
        let (disk, _) = folder.open();
        for number in 0..30 {
            assert!(
                disk.load(number).await.is_empty(),
                "{number} after a restart"
            );
        }
    }
}
