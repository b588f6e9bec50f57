//! What the server's errors mean.

use redis::{ErrorKind, RedisError};

use crate::Error;

/// The codes with which our own scripts fail.
const NOT_A_COUNTER: &str = "NOTACOUNTER";
const OVERFLOW: &str = "OVERFLOW";

pub(super) fn failed(error: RedisError) -> Error {
    match error.code() {
        Some(NOT_A_COUNTER) => return Error::NotACounter,
        Some(OVERFLOW) => return Error::Overflow,
        Some("OOM") => return Error::Full("Redis is at its `maxmemory`".into()),
        Some("WRONGTYPE") => {
            return Error::corrupt("a key of this store holds something else in Redis", error);
        }
        _ => (),
    }
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            Error::corrupt("Redis answered what is not understood", error)
        }
        ErrorKind::AuthenticationFailed => Error::unavailable("Redis refused the password", error),
        _ if error.is_timeout() => Error::unavailable("no answer from Redis in time", error),
        _ => Error::unavailable("Redis cannot be used", error),
    }
}
