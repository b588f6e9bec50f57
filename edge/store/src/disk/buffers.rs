//! Buffers that bodies are read into, used again: to get fresh memory from the system, zeroed page by
//! page, costs more than to copy what is read into it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Kept while nobody reads; together they are bounded by this.
const KEPT: usize = 16;
/// For less than this no buffer is taken out of the store.
const SMALL: usize = 16 << 10;

/// Buffers of one size.
#[derive(Debug)]
pub(super) struct Buffers {
    size: usize,
    free: Mutex<Vec<Box<[u8]>>>,
}

/// Some bytes of a buffer.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    home: Option<Arc<Buffers>>,
}

impl Buffers {
    /// `size`: what is read at once at most.
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            size,
            free: Mutex::default(),
        })
    }

    /// So many bytes, with anything in them.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let kept = (SMALL..=self.size).contains(&length);
        let bytes = match kept {
            true => self.free.lock().pop(),
            false => None,
        };
        let size = if kept { self.size } else { length };
        Buffer {
            bytes: bytes.unwrap_or_else(|| vec![0; size].into()),
            length,
            home: kept.then(|| Arc::clone(self)),
        }
    }
}

impl Buffer {
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl From<Buffer> for Bytes {
    /// The buffer goes back when the last slice of these is gone.
    fn from(buffer: Buffer) -> Self {
        Self::from_owner(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(home) = self.home.take() else { return };
        let mut free = home.free.lock();
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nobody_reads_it() {
        let buffers = Buffers::new(64 << 10);
        let mut buffer = buffers.take(20 << 10);
        buffer.bytes_mut().fill(7);
        let bytes = Bytes::from(buffer);
        let slice = bytes.slice(100..200);
        drop(bytes);
        assert_eq!((&*slice, buffers.free.lock().len()), (&[7; 100][..], 0));
        drop(slice);
        assert_eq!(buffers.free.lock().len(), 1);
        assert_eq!(buffers.take(64 << 10).as_ref().len(), 64 << 10);
        // Too small or too large to be kept.
        drop((buffers.take(10), buffers.take(65 << 10)));
        let many: Vec<_> = (0..KEPT * 2).map(|_| buffers.take(SMALL)).collect();
        drop(many);
        assert_eq!(buffers.free.lock().len(), KEPT);
    }
}
