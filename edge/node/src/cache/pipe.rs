//! The client's end of an answer that is being collected: whoever collects does not wait for a slow
//! client, because others wait for what it collects.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;

use crate::error::BoxError;

/// When nothing is collected any more, so many bytes wait for the client and no more.
const HIGH: usize = 64 * 1024;

#[derive(Default)]
struct State {
    frames: VecDeque<Frame<Bytes>>,
    queued: usize,
    end: Option<Result<(), BoxError>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    reader_gone: bool,
}

/// A pipe whose reader is told to expect so much.
pub(super) fn pipe(expected: SizeHint) -> (Writer, Reader) {
    let state = Arc::new(Mutex::new(State::default()));
    let writer = Writer(Arc::clone(&state));
    (writer, Reader { state, expected })
}

/// Takes frames. When it is dropped before its end, the reader gets an error.
pub(super) struct Writer(Arc<Mutex<State>>);

impl Writer {
    pub(super) fn send(&self, frame: Frame<Bytes>) {
        let mut state = self.0.lock();
        if state.reader_gone || frame.data_ref().is_some_and(Bytes::is_empty) {
            return;
        }
        state.queued += frame.data_ref().map_or(0, Bytes::len);
        state.frames.push_back(frame);
        wake(state.reader.take(), state);
    }

    pub(super) fn end(self, how: Result<(), BoxError>) {
        self.set_end(how);
    }

    pub(super) fn reader_is_gone(&self) -> bool {
        self.0.lock().reader_gone
    }

    /// Waits until the client has taken most of what there is; false when it is gone.
    pub(super) async fn room(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock();
            if state.reader_gone {
                return Poll::Ready(false);
            }
            if state.queued <= HIGH {
                return Poll::Ready(true);
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn set_end(&self, how: Result<(), BoxError>) {
        let mut state = self.0.lock();
        if state.end.is_none() {
            state.end = Some(how);
        }
        wake(state.reader.take(), state);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.set_end(Err("the answer was cut off inside the node".into()));
    }
}

/// A body.
pub(super) struct Reader {
    state: Arc<Mutex<State>>,
    expected: SizeHint,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.reader_gone = true;
        state.frames.clear();
        state.queued = 0;
        wake(state.writer.take(), state);
    }
}

/// Wakes without the lock.
fn wake(waker: Option<Waker>, state: parking_lot::MutexGuard<'_, State>) {
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mut state = this.state.lock();
        let Some(frame) = state.frames.pop_front() else {
            return match &mut state.end {
                Some(end) => {
                    // An error is given once.
                    Poll::Ready(std::mem::replace(end, Ok(())).err().map(Err))
                }
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        state.queued -= length;
        let writer = if state.queued <= HIGH {
            state.writer.take()
        } else {
            None
        };
        wake(writer, state);
        if let Some(left) = this.expected.exact() {
            this.expected = SizeHint::with_exact(left.saturating_sub(length as u64));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        let state = self.state.lock();
        state.frames.is_empty() && matches!(state.end, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        // Bounds that are not exact would have to be counted down; they are of no use to anybody.
        self.expected
            .exact()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
