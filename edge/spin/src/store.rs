//! The cache's store: a key-value store that knows no lifetimes.
//!
//! An entry is the length of a record, the record, and the body. Which entries there are is kept in a
//! fixed number of shelves: a shelf has so much room, and when it is full what has expired goes, then
//! what expires first.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use spin_sdk::key_value::{Error, Store};
use zephyr_edge_portable::cache::Record;

use zephyr_edge_wasi::atomic;

/// Larger bodies are not stored: with its record an entry has to fit into 1 MiB, which stores take.
pub(crate) const MAX_BODY: usize = (1 << 20) - (64 << 10);
/// Shelves, and entries of each.
const SHELVES: u8 = 64;
const MAX_ENTRIES: usize = 256;

/// When entries expire, in seconds since the Unix epoch.
#[derive(Default, Serialize, Deserialize)]
struct Shelf(BTreeMap<String, u64>);

fn place(key: &str) -> String {
    format!("cache/{key}")
}

fn shelf(key: &str) -> String {
    let first = key
        .get(..2)
        .and_then(|digits| u8::from_str_radix(digits, 16).ok());
    format!("shelf/{}", first.unwrap_or_default() % SHELVES)
}

/// A stored answer.
pub(crate) async fn load(key: &str) -> Result<Option<(Record, Bytes)>, Error> {
    let store = Store::open(atomic::STORE).await?;
    let Some(entry) = store.get(place(key)).await? else {
        return Ok(None);
    };
    let entry = Bytes::from(entry);
    Ok(split(&entry))
}

fn split(entry: &Bytes) -> Option<(Record, Bytes)> {
    let length = u32::from_le_bytes(entry.get(..4)?.try_into().ok()?) as usize;
    let record = Record::from_json(entry.get(4..4 + length)?)?;
    Some((record, entry.slice(4 + length..)))
}

/// Stores an answer.
pub(crate) async fn save(
    key: &str,
    record: &Record,
    now: Duration,
    retention: Duration,
    body: &[u8],
) -> Result<(), String> {
    let json = record.to_json();
    let length = u32::try_from(json.len()).map_err(|_| "the record is too large")?;
    let mut entry = Vec::with_capacity(4 + json.len() + body.len());
    entry.extend_from_slice(&length.to_le_bytes());
    entry.extend_from_slice(json.as_bytes());
    entry.extend_from_slice(body);
    // First the shelf: an entry that stands on none would never go.
    let gone = note(key, now.as_secs(), (now + retention).as_secs())?;
    let store = Store::open(atomic::STORE)
        .await
        .map_err(|error| error.to_string())?;
    for key in gone {
        store
            .delete(place(&key))
            .await
            .map_err(|error| error.to_string())?;
    }
    store
        .set(place(key), entry)
        .await
        .map_err(|error| error.to_string())
}

/// Puts an entry on its shelf; tells which have to go for it.
fn note(key: &str, now: u64, until: u64) -> Result<Vec<String>, String> {
    atomic::update(&shelf(key), |value| {
        let mut shelf: Shelf = value
            .and_then(|json| serde_json::from_slice(json).ok())
            .unwrap_or_default();
        shelf.0.insert(key.to_owned(), until);
        let mut gone = Vec::new();
        if shelf.0.len() > MAX_ENTRIES {
            let mut entries: Vec<(u64, String)> = shelf
                .0
                .iter()
                .map(|(key, until)| (*until, key.clone()))
                .collect();
            entries.sort_unstable();
            let spare = shelf.0.len() - MAX_ENTRIES;
            for (at, (until, other)) in entries.into_iter().enumerate() {
                if (at < spare || until < now) && other != key {
                    shelf.0.remove(&other);
                    gone.push(other);
                }
            }
        }
        (serde_json::to_vec(&shelf).ok(), gone)
    })
}

/// Forgets an answer. Its place on the shelf is taken by what comes next.
pub(crate) async fn remove(key: &str) -> Result<(), Error> {
    Store::open(atomic::STORE).await?.delete(place(key)).await
}
