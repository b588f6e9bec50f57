//! A large body on its way to the client that asked for it, at that client's pace: each slice is stored
//! once all of it has passed, so that one that breaks off leaves those before. Of the first and the last
//! slice only a part may pass: it is stored as that.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use zephyr_cache::Part;

use super::Sliced;
use crate::body::Body;
use crate::cache::fill::Weight;
use crate::error::BoxError;

pub(super) struct Passing {
    body: Body,
    sliced: Sliced,
    /// Where in the whole the next byte is.
    at: u64,
    /// The last byte of the whole that passes.
    last: u64,
    /// What has passed of the slice at hand, if it is collected.
    begun: Option<Begun>,
}

struct Begun {
    /// Where in the whole it begins.
    from: u64,
    bytes: BytesMut,
    _weight: Weight,
}

impl Passing {
    pub(super) fn new(body: Body, sliced: Sliced, part: Part) -> Self {
        let mut passing = Self {
            body,
            sliced,
            at: part.first,
            last: part.last,
            begun: None,
        };
        passing.begin();
        passing
    }

    /// Begins to collect, unless bodies on their way take too much already.
    fn begin(&mut self) {
        let slices = self.sliced.slices;
        let (_, end) = slices.bounds(slices.at(self.at));
        let length = (end.min(self.last) - self.at + 1) as usize;
        let mut weight = Weight::new(Arc::clone(&self.sliced.cache));
        self.begun = weight.add(length).then(|| Begun {
            from: self.at,
            bytes: BytesMut::with_capacity(length),
            _weight: weight,
        });
    }

    fn collect(&mut self, mut data: &[u8]) {
        let slices = self.sliced.slices;
        // What is more than was told is not of the whole.
        while !data.is_empty() && self.at <= self.last {
            let number = slices.at(self.at);
            let most = self.last - self.at + 1;
            let cut = slices.cut(self.at, most.min(data.len() as u64));
            let (piece, rest) = data.split_at(cut as usize);
            if let Some(begun) = &mut self.begun {
                begun.bytes.extend_from_slice(piece);
            }
            (self.at, data) = (self.at + cut, rest);
            let is_end = self.at > self.last;
            if !is_end && slices.at(self.at) == number {
                continue;
            }
            if let Some(begun) = self.begun.take() {
                let from = begun.from - slices.bounds(number).0;
                let names = self.sliced.head.names.clone();
                self.sliced.keep(number, from, begun.bytes.freeze(), names);
            }
            if !is_end {
                self.begin();
            }
        }
    }
}

impl http_body::Body for Passing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.collect(data);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
