//! Strong entity tags (RFC 9110, section 8.8.3).
//!
//! A file that is read whole anyway is tagged by its bytes: the tag is the same on all nodes, and
//! whatever its dates say. A larger one is tagged by what the file system says of it, which costs
//! nothing however large it is. The time of the inode's last change is in that, so that neither a file
//! put in place with its old date nor one whose date was set back looks like the one before.

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::open::Stat;

/// Changes that follow each other more closely than this may leave the same times behind, in
/// nanoseconds: file systems take the time of the kernel's last tick.
const TICK: i128 = 100_000_000;

/// The tag of these bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> HeaderValue {
    tag(&Sha256::digest(bytes)[..16])
}

/// The tag of a file of this state; none when the file has just been changed, and the next change
/// might look the same. `now` is in nanoseconds since the Unix epoch.
pub(super) fn of_stat(stat: &Stat, now: i128) -> Option<HeaderValue> {
    let (seconds, nanos) = stat.changed;
    let changed = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    if (changed..changed + TICK).contains(&now) {
        return None;
    }
    let mut hash = Sha256::new();
    for number in [
        stat.modified.0,
        stat.modified.1,
        stat.changed.0,
        stat.changed.1,
    ] {
        hash.update(number.to_le_bytes());
    }
    for number in [stat.len, stat.inode, stat.device] {
        hash.update(number.to_le_bytes());
    }
    Some(tag(&hash.finalize()[..16]))
}

fn tag(bytes: &[u8]) -> HeaderValue {
    use std::fmt::Write as _;
    let mut text = String::from("\"");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('"');
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
}
