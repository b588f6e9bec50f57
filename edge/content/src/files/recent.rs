//! Small files that were asked for in the last second, with their bytes. Within that second a request
//! for one costs no call to the system.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::found::Small;
use super::path::Relative;
use crate::Coding;

/// For so long a file is not looked at again.
const HOLDS: Duration = Duration::from_secs(1);
/// At most so many bytes are kept.
const MAX_BYTES: usize = 32 << 20;
/// What an entry takes beside its bytes, about.
const ENTRY: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Box<[u8]>, (Instant, Arc<Small>)>,
    bytes: usize,
}

fn key(relative: &Relative, codings: &[Coding]) -> Vec<u8> {
    let (name, folder) = relative.key();
    let mut key = Vec::with_capacity(name.len() + 5);
    key.extend(codings.iter().map(|coding| *coding as u8));
    // No name holds a NUL.
    key.extend([u8::MAX, u8::from(folder)]);
    key.extend_from_slice(name);
    key
}

impl Recent {
    pub(super) fn get(&self, relative: &Relative, codings: &[Coding]) -> Option<Arc<Small>> {
        let key = key(relative, codings);
        let kept = self.0.lock();
        let (since, small) = kept.entries.get(&key[..])?;
        (since.elapsed() < HOLDS).then(|| Arc::clone(small))
    }

    pub(super) fn put(&self, relative: &Relative, codings: &[Coding], small: &Arc<Small>) {
        let key = key(relative, codings);
        let size = small.bytes.len() + key.len() + ENTRY;
        let mut kept = self.0.lock();
        if kept.bytes + size > MAX_BYTES {
            kept.entries.retain(|_, (since, _)| since.elapsed() < HOLDS);
            let left = |(key, (_, small)): (&Box<[u8]>, &(Instant, Arc<Small>))| {
                small.bytes.len() + key.len() + ENTRY
            };
            kept.bytes = kept.entries.iter().map(left).sum();
            if kept.bytes + size > MAX_BYTES {
                kept.entries.clear();
                kept.bytes = 0;
            }
        }
        let length = key.len();
        let entry = (Instant::now(), Arc::clone(small));
        kept.bytes += size;
        if let Some((_, before)) = kept.entries.insert(key.into(), entry) {
            kept.bytes -= before.bytes.len() + length + ENTRY;
        }
    }
}
