//! What stands in the file, and how it is read.
//!
//! A value is kept with the time at which it expires before it: 8 bytes, big endian, milliseconds
//! since the epoch, all ones for never. Beside the values stands the order in which they expire.

use std::ops::Bound;

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadableTable, TableDefinition};

use crate::{Error, Page};

/// Values with the time at which they expire, by key.
pub(super) const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
/// What expires when.
pub(super) const EXPIRIES: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("expiries");

pub(super) type Keys = ReadOnlyTable<&'static str, &'static [u8]>;

/// The time at which a value expires that never does.
pub(super) const NEVER: u64 = u64::MAX;

pub(super) fn encode(value: &[u8], expires: u64) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(8 + value.len());
    encoded.extend_from_slice(&expires.to_be_bytes());
    encoded.extend_from_slice(value);
    encoded
}

fn decode(encoded: &[u8]) -> Result<(&[u8], u64), Error> {
    let (expires, value) = encoded
        .split_first_chunk()
        .ok_or_else(|| Error::corrupt_value("a value has no time before it"))?;
    Ok((value, u64::from_be_bytes(*expires)))
}

/// A value, and when it expires, whether that is past or not.
pub(super) fn stored(
    keys: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<(Bytes, u64)>, Error> {
    let Some(guard) = keys.get(key).map_err(failed)? else {
        return Ok(None);
    };
    let (value, expires) = decode(guard.value())?;
    Ok(Some((Bytes::copy_from_slice(value), expires)))
}

/// A value that has not expired, and when it will.
pub(super) fn live(
    keys: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
    now: u64,
) -> Result<Option<(Bytes, u64)>, Error> {
    Ok(stored(keys, key)?.filter(|(_, expires)| now < *expires))
}

/// A page of keys that have not expired.
pub(super) fn list(
    keys: &impl ReadableTable<&'static str, &'static [u8]>,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: u64,
) -> Result<Page, Error> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let mut found = Vec::new();
    for entry in keys
        .range::<&str>((from, Bound::Unbounded))
        .map_err(failed)?
    {
        let (key, value) = entry.map_err(failed)?;
        if !key.value().starts_with(prefix) || found.len() > limit {
            break;
        }
        if now < decode(value.value())?.1 {
            found.push(key.value().to_owned());
        }
    }
    Ok(Page::of_one_more(found, limit))
}

/// An error of the library in the middle of work.
pub(super) fn failed(error: impl Into<redb::Error>) -> Error {
    let error = error.into();
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. } => {
            Error::corrupt("the key-value file cannot be read", error)
        }
        _ => Error::unavailable("the key-value file cannot be used", error),
    }
}
