//! Ends that nobody prepared for: a process that is killed, and a disk that takes no more.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use zephyr_store::{Disk, DiskConfig, Filled, Kind, Life};

use crate::support::{Folder, body, config, fill, get, new_object};

/// Where the child finds its folder.
const FOLDER: &str = "ZEPHYR_STORE_TEST_FOLDER";

fn length_of(number: u64) -> usize {
    (number as usize * 7919) % 200_000
}

/// This test's program, as a child that does only what `test` says.
fn child(program: &Path, test: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    let exe = std::env::current_exe().unwrap();
    if program != exe {
        command.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""]);
        command.arg(exe);
    }
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder);
    command
}

fn own_folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

#[tokio::test]
#[ignore = "the child of a test: it stores until it is killed"]
async fn child_that_stores_until_it_is_killed() {
    let Some(folder) = own_folder() else { return };
    let (disk, purges) = Disk::open(config(&folder, |_| {})).unwrap();
    for number in 0.. {
        if number % 3 == 0 {
            let filler = fill(&disk, number).unwrap();
            for chunk in body(number, length_of(number)).chunks(20_000) {
                filler.append(Bytes::copy_from_slice(chunk));
            }
            drop(filler.finish().await);
        } else {
            disk.put(
                new_object(number),
                Bytes::from(body(number, length_of(number))),
            );
            disk.flush().await;
        }
        purges.purge(number, Kind::Hard);
        purges.written(purges.begin()).await;
        println!("stored {number}");
        if number > 100_000 {
            return;
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_was_written_and_leaves_nothing_wrong() {
    let folder = Folder::new();
    for round in 1..4_u64 {
        let exe = std::env::current_exe().unwrap();
        let test = "crash::child_that_stores_until_it_is_killed";
        let mut command = child(&exe, test, folder.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let last = lines
            .map(Result::unwrap)
            .filter_map(|line| line.split_once("stored ")?.1.parse::<u64>().ok())
            .find(|number| *number >= 40 * round)
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let (disk, purges) = folder.open();
        let mut found = 0;
        for number in 0..last + 20 {
            if let Some(read) = get(&disk, number).await {
                assert_eq!(read, body(number, length_of(number)), "{number}");
                found += u64::from(number <= last);
            }
            let life = purges.life(&purges.names(1, [number]));
            assert!(
                number > last || life == Life::Gone,
                "the purge of {number} came undone"
            );
        }
        assert_eq!(found, last + 1, "what was written is there");
    }
}

fn impatient(config: &mut DiskConfig) {
    config.segment_bytes = 8 << 20;
    config.retry = Duration::ZERO;
}

#[tokio::test]
#[ignore = "the child of a test: it may write files of 1 MiB and no more"]
async fn child_on_a_disk_that_takes_no_more() {
    let Some(folder) = own_folder() else { return };
    let (disk, _purges) = Disk::open(config(&folder, impatient)).unwrap();
    for number in 0..5 {
        disk.put(new_object(number), Bytes::from(body(number, 300_000)));
        disk.flush().await;
    }
    let stats = disk.stats();
    assert!(stats.write_errors > 0, "{stats:?}");
    // One that streams fails half-way; who follows it gets it from memory.
    let filler = fill(&disk, 10).unwrap();
    let mut follower = filler.fill().follow(0..u64::MAX).unwrap();
    let whole = body(10, 3_000_000);
    // At the same time: once nothing is kept, whoever fills waits for who follows.
    let filled = async {
        for chunk in whole.chunks(100_000) {
            assert!(filler.room().await);
            filler.append(Bytes::copy_from_slice(chunk));
        }
        filler.finish().await
    };
    let followed = async {
        let mut read = Vec::new();
        while let Some(chunk) = follower.next().await {
            read.extend_from_slice(&chunk.unwrap());
        }
        read
    };
    let (filled, read) = tokio::join!(filled, followed);
    assert!(matches!(filled, Filled::Nothing));
    assert!(read == whole, "who follows gets all of it");
    assert!(disk.stats().is_down);
    let mut there = 0;
    for number in 0..5 {
        if let Some(read) = get(&disk, number).await {
            assert_eq!(read, body(number, 300_000));
            there += 1;
        }
    }
    assert!(there > 0);
    // Small ones fit again.
    assert!(disk.put(new_object(11), Bytes::from(body(11, 1000))));
    disk.flush().await;
    assert_eq!(get(&disk, 11).await.unwrap(), body(11, 1000));
    assert!(!disk.stats().is_down, "it has recovered");
}

#[tokio::test]
async fn a_disk_that_takes_no_more_costs_objects_and_nothing_else() {
    let folder = Folder::with(impatient);
    let test = "crash::child_on_a_disk_that_takes_no_more";
    let output = child(Path::new("/bin/sh"), test, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    let (disk, _purges) = folder.open();
    assert_eq!(get(&disk, 11).await.unwrap(), body(11, 1000));
    for number in 0..5 {
        if let Some(read) = get(&disk, number).await {
            assert_eq!(read, body(number, 300_000));
        }
    }
    assert!(folder.put(&disk, 20, 2_000_000));
    disk.flush().await;
    assert_eq!(get(&disk, 20).await.unwrap(), body(20, 2_000_000));
}
