//! Bodies made of others: stored bytes with the rest behind them, and a body without its beginning.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::body::Body;
use crate::error::BoxError;

/// Stored bytes, then what comes.
pub(super) fn behind(stored: Bytes, rest: Body) -> Body {
    let length = stored.len() as u64;
    let expected = rest.size_hint().exact().map(|rest| rest + length);
    Body::stream(Splice {
        first: Some(stored),
        skip: 0,
        rest,
        expected,
    })
}

/// A body without its first bytes.
pub(super) fn without(skip: u64, body: Body) -> Body {
    if skip == 0 {
        return body;
    }
    let expected = body.size_hint().exact();
    Body::stream(Splice {
        first: None,
        skip,
        rest: body,
        expected: expected.map(|length| length.saturating_sub(skip)),
    })
}

struct Splice {
    first: Option<Bytes>,
    skip: u64,
    rest: Body,
    /// Bytes that are still to come, when known.
    expected: Option<u64>,
}

impl Splice {
    fn counted(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.expected = self.expected.map(|left| left.saturating_sub(length));
        frame
    }
}

impl http_body::Body for Splice {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            let frame = this.counted(Frame::data(first));
            return Poll::Ready(Some(Ok(frame)));
        }
        loop {
            let frame = match std::task::ready!(Pin::new(&mut this.rest).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            let Ok(mut data) = frame.into_data() else {
                // Trailers are about the whole, of which this is not all.
                continue;
            };
            if this.skip >= data.len() as u64 {
                this.skip -= data.len() as u64;
                continue;
            }
            let _ = data.split_to(this.skip as usize);
            this.skip = 0;
            let frame = this.counted(Frame::data(data));
            return Poll::Ready(Some(Ok(frame)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.expected
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;

    use super::*;

    fn read(body: Body) -> Bytes {
        let body = body.collect().now_or_never().unwrap().unwrap();
        body.to_bytes()
    }

    #[test]
    fn what_is_stored_comes_first() {
        let body = behind("ab".into(), Body::full("cd"));
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(read(body), "abcd");
    }

    #[test]
    fn a_beginning_is_left_out_across_chunks() {
        for skip in 0..=4 {
            let body = without(skip, behind("ab".into(), Body::full("cd")));
            assert_eq!(body.size_hint().exact(), Some(4 - skip));
            assert_eq!(read(body), "abcd"[skip as usize..]);
        }
    }
}
