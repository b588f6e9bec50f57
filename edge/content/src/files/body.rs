//! A file's bytes on their way: read in chunks as the client takes them, on the spot while the kernel
//! has them in memory, by another thread when the disk has to be asked. A file that changes meanwhile
//! breaks the answer off, so that no client gets one half of each version.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::open::OpenFile;

/// What is read at once on the worker's thread. Larger chunks leave the processor's cache before they
/// are sent.
const CHUNK: u64 = 64 * 1024;
/// What is read at once by another thread, whose turn costs more than the reading.
const CHUNK_FROM_DISK: u64 = 256 * 1024;

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Bytes(Bytes),
    File { at: u64, len: u64 },
}

impl Segment {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

/// A file, or parts of one, as a body.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<OpenFile>,
    segments: VecDeque<Segment>,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(file: Arc<OpenFile>, segments: Vec<Segment>) -> Self {
        Self {
            left: super::ranges::len(&segments),
            segments: segments.into(),
            file,
            reading: None,
        }
    }

    /// The next chunk of the segment in front, if the kernel has it.
    fn read_now(&self, at: u64, len: u64) -> io::Result<Bytes> {
        let mut buffer = buffer(len.min(CHUNK));
        let read = self.file.read_now(at, &mut buffer)?;
        buffer.truncate(read);
        checked(&self.file, buffer)
    }

    /// Takes so many bytes of the segments off.
    fn advance(&mut self, taken: u64) {
        self.left = self.left.saturating_sub(taken);
        if let Some(Segment::File { at, len }) = self.segments.front_mut() {
            *at += taken;
            *len = len.saturating_sub(taken);
            if *len > 0 {
                return;
            }
        }
        self.segments.pop_front();
    }

    fn fail(&mut self, error: io::Error) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.segments.clear();
        Poll::Ready(Some(Err(error)))
    }
}

fn buffer(len: u64) -> Vec<u8> {
    vec![0; usize::try_from(len).unwrap_or(0)]
}

/// What was read, when it is of the version that was opened.
fn checked(file: &OpenFile, bytes: Vec<u8>) -> io::Result<Bytes> {
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.check_unchanged()?;
    Ok(bytes.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.reading.is_none() {
            match self.segments.front() {
                None => return Poll::Ready(None),
                Some(Segment::Bytes(bytes)) => {
                    let bytes = bytes.clone();
                    self.advance(bytes.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(&Segment::File { at, len }) => match self.read_now(at, len) {
                    Ok(bytes) => {
                        self.advance(bytes.len() as u64);
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        return self.fail(error);
                    }
                    Err(_) => {
                        let file = Arc::clone(&self.file);
                        self.reading = Some(tokio::task::spawn_blocking(move || {
                            let mut buffer = buffer(len.min(CHUNK_FROM_DISK));
                            let read = file.read_full(at, &mut buffer)?;
                            buffer.truncate(read);
                            checked(&file, buffer)
                        }));
                    }
                },
            }
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(bytes) => {
                self.advance(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(error) => self.fail(error),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
