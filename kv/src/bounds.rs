//! How large keys, values and pages may be, and how long a value may live. The same for all back
//! ends, so that what one accepts the others accept too.

use std::time::Duration;

use crate::Error;

/// The longest key, in bytes. The shortest is one byte.
pub const MAX_KEY_BYTES: usize = 1024;
/// The largest value, in bytes. A value may be empty.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The most keys in one page of a listing.
pub const MAX_PAGE: usize = 1000;
/// The longest time to live: ten years. What is to live longer needs no time to live.
pub const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

pub(crate) fn key(key: &str) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::Invalid("the key is empty".into())),
        length if length > MAX_KEY_BYTES => Err(Error::Invalid(format!(
            "the key has {length} bytes, more than {MAX_KEY_BYTES}"
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn value(value: &[u8]) -> Result<(), Error> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::Invalid(format!(
            "the value has {} bytes, more than {MAX_VALUE_BYTES}",
            value.len()
        )));
    }
    Ok(())
}

/// The time to live in whole milliseconds, rounded up so that a value never dies early.
pub(crate) fn ttl(ttl: Option<Duration>) -> Result<Option<u64>, Error> {
    let Some(ttl) = ttl else { return Ok(None) };
    if ttl.is_zero() {
        return Err(Error::Invalid("the time to live is zero".into()));
    }
    if ttl > MAX_TTL {
        return Err(Error::Invalid(format!(
            "the time to live is {} s, more than {} s",
            ttl.as_secs(),
            MAX_TTL.as_secs()
        )));
    }
    Ok(u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).ok())
}

pub(crate) fn page(prefix: &str, after: Option<&str>, limit: usize) -> Result<(), Error> {
    if limit == 0 || limit > MAX_PAGE {
        return Err(Error::Invalid(format!(
            "the limit is {limit}, not 1 to {MAX_PAGE}"
        )));
    }
    for (name, text) in [("prefix", prefix), ("after", after.unwrap_or_default())] {
        if text.len() > MAX_KEY_BYTES {
            return Err(Error::Invalid(format!(
                "`{name}` has {} bytes, more than {MAX_KEY_BYTES}",
                text.len()
            )));
        }
    }
    Ok(())
}
