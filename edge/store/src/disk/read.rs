//! Reading a body from disk, block by block; no byte leaves before the sum of its block was checked.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::Inner;
use super::file::DataFile;
use super::format::{BLOCK, SUM, sum_of, with_sums};

/// Blocks read at once.
const AT_ONCE: u64 = 4;
/// And bytes, with their sums.
pub(super) const MOST: usize = AT_ONCE as usize * (BLOCK + SUM);

/// Why a body cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk says so.
    #[error("the disk cannot be read: {0}")]
    Io(#[source] io::Error),
    /// Other bytes stand there than were written.
    #[error("{path} is damaged near byte {at}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
    },
    /// It had to make room meanwhile.
    #[error("the object is gone")]
    Gone,
    /// Too much is asked of the disk already.
    #[error("too many reads wait for the disk")]
    Busy,
    /// What fills the body has failed.
    #[error("the body was cut off while it was filled")]
    CutOff,
}

/// Where the blocks of a body are.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) file: Arc<DataFile>,
    pub(crate) at: u64,
    pub(crate) salt: u64,
}

/// A read that is going on.
pub(crate) type Reading = Pin<Box<dyn Future<Output = Result<VecDeque<Bytes>, ReadError>> + Send>>;

impl Span {
    /// Reads some blocks from `from` on and not past `end`, of a body of which `have` bytes are here.
    pub(crate) fn read(&self, inner: &Inner, from: u64, end: u64, have: u64) -> Reading {
        let block = BLOCK as u64;
        let first = from / block;
        let until = end.div_ceil(block).min(first + AT_ONCE);
        let start = with_sums(first * block);
        let length = with_sums((until * block).min(have)) - start;
        let at = self.at + start;
        let read = inner.pool.read(Arc::clone(&self.file), at, length as usize);
        let span = self.clone();
        Box::pin(async move {
            let bytes = Bytes::from(read.await?);
            let mut blocks = VecDeque::new();
            for (index, stored) in (first..).zip(bytes.chunks(BLOCK + SUM)) {
                let Some((data, sum)) = stored.split_last_chunk::<SUM>() else {
                    return Err(span.damaged(at));
                };
                if sum_of(span.salt, index, data) != u32::from_le_bytes(*sum) {
                    return Err(span.damaged(at + (index - first) * (BLOCK + SUM) as u64));
                }
                let begin = index * block;
                let low = from.saturating_sub(begin) as usize;
                let high = (end - begin).min(data.len() as u64) as usize;
                if low < high {
                    blocks.push_back(bytes.slice_ref(&data[low..high]));
                }
            }
            Ok(blocks)
        })
    }

    fn damaged(&self, at: u64) -> ReadError {
        ReadError::Damaged {
            path: self.file.path().to_owned(),
            at,
        }
    }
}

/// Reads a part of a stored body.
pub struct Reader {
    inner: Arc<Inner>,
    span: Span,
    hash: u64,
    name: u64,
    length: u64,
    at: u64,
    end: u64,
    ready: VecDeque<Bytes>,
    reading: Option<Reading>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, end, .. } = self;
        write!(f, "Reader({at}..{end})")
    }
}

impl Reader {
    pub(super) fn new(
        inner: Arc<Inner>,
        span: Span,
        (hash, name): (u64, u64),
        length: u64,
        part: std::ops::Range<u64>,
    ) -> Self {
        let end = part.end.min(length);
        Self {
            inner,
            span,
            hash,
            name,
            length,
            at: part.start.min(end),
            end,
            ready: VecDeque::new(),
            reading: None,
        }
    }

    /// Bytes that are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        let ready: usize = self.ready.iter().map(Bytes::len).sum();
        self.end - self.at + ready as u64
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the object is then gone from the store, unless it was only busy.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            if self.at >= self.end {
                return Poll::Ready(None);
            }
            let (at, end, length) = (self.at, self.end, self.length);
            let reading = self
                .reading
                .get_or_insert_with(|| self.span.read(&self.inner, at, end, length));
            let read = ready!(reading.as_mut().poll(cx));
            self.reading = None;
            match read {
                Ok(blocks) => {
                    self.at += blocks.iter().map(|block| block.len() as u64).sum::<u64>();
                    self.ready = blocks;
                }
                Err(error) => {
                    self.at = self.end;
                    self.inner.read_failed(self.hash, self.name, &error);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    ///
    /// As [`Reader::poll_next`].
    pub async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// All that is left, in one piece.
    ///
    /// # Errors
    ///
    /// As [`Reader::poll_next`].
    pub async fn all(mut self) -> Result<Bytes, ReadError> {
        let mut all = Vec::with_capacity(usize::try_from(self.left()).unwrap_or(0));
        while let Some(chunk) = self.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.into())
    }
}
