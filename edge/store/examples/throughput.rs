//! Prints what the disk tier does in a second, with what the kernel keeps in memory.
//!
//! `cargo run --release -p zephyr-store --example throughput -- FOLDER`

#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use zephyr_store::{Disk, DiskConfig, Filled, Filler, NewObject};

type Failure = Box<dyn std::error::Error>;

fn object(hash: u64) -> NewObject<'static> {
    NewObject {
        hash,
        variant: 0,
        began: 1,
        key: b"key",
        meta: &[0; 500],
    }
}

fn tell(what: &str, bytes: u64, objects: u64, took: Duration) {
    let rate = bytes as f64 / took.as_secs_f64() / 1e6;
    let each = took.as_secs_f64() * 1e6 / objects as f64;
    println!("| {what} | {rate:.0} MB/s | {each:.0} µs |");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).ok_or("a folder is needed")?;
    let (disk, _purges) = Disk::open(DiskConfig::new(folder.into(), 4 << 30))?;
    println!("| what | rate | each |");
    println!("|---|---|---|");
    let mut hash = 0;
    for (name, length, count) in [("10 KiB", 10 << 10, 20_000), ("100 KiB", 100 << 10, 5000)] {
        let body = Bytes::from(vec![7; length]);
        let first = hash;
        let start = Instant::now();
        for number in 0..count {
            disk.put(object(first + number), body.clone());
            if number % 50 == 49 {
                disk.flush().await;
            }
        }
        disk.flush().await;
        let bytes = length as u64 * count;
        tell(&format!("write {name}"), bytes, count, start.elapsed());
        let start = Instant::now();
        for number in 0..count {
            let found = disk
                .load(first + number)
                .await
                .pop()
                .ok_or("it is not there")?;
            disk.read(&found.object, 0..u64::MAX)
                .ok_or("it is gone")?
                .all()
                .await?;
        }
        tell(&format!("read {name}"), bytes, count, start.elapsed());
        hash += count;
    }
    let chunk = Bytes::from(vec![7; 64 << 10]);
    let (chunks, count) = (160, 20);
    let start = Instant::now();
    for number in 0..count {
        let filler = Filler::in_memory();
        disk.take_over(&filler, object(hash + number), None);
        for _ in 0..chunks {
            filler.append(chunk.clone());
            filler.room().await;
        }
        let Filled::Disk(_) = filler.finish().await else {
            return Err("it was not stored".into());
        };
    }
    let bytes = chunks * count * chunk.len() as u64;
    tell("stream 10 MiB in", bytes, count, start.elapsed());
    let (mut first_byte, start) = (Duration::ZERO, Instant::now());
    for number in 0..count {
        let asked = Instant::now();
        let found = disk
            .load(hash + number)
            .await
            .pop()
            .ok_or("it is not there")?;
        let mut reader = disk.read(&found.object, 0..u64::MAX).ok_or("it is gone")?;
        let mut is_first = true;
        while let Some(chunk) = reader.next().await {
            chunk?;
            if std::mem::take(&mut is_first) {
                first_byte += asked.elapsed();
            }
        }
    }
    tell("stream 10 MiB out", bytes, count, start.elapsed());
    println!(
        "first byte of 10 MiB: {} µs",
        first_byte.as_micros() / u128::from(count)
    );
    println!("{:?}", disk.stats());
    Ok(())
}
