//! A body that is compressed as it passes. A worker's other requests get a turn after every slice, so
//! that a large body stalls nobody for a millisecond; and what an upstream has sent goes out when it
//! pauses, so that a stream of events stays one.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Encoder;
use crate::BoxError;

/// A body that is compressed as it passes.
#[derive(Debug)]
pub struct Compressed<B> {
    body: B,
    encoder: Encoder,
    /// Taken from the body, and not yet in the encoder.
    input: Bytes,
    trailers: Option<Frame<Bytes>>,
    /// Whether pauses of the body are filled with what there is.
    live: bool,
    /// Whether the encoder holds something back.
    held: bool,
    /// Bytes that went into the encoder since others had a turn.
    worked: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Trailers,
    Ended,
}

impl<B> Compressed<B> {
    /// Compresses a body; `live` when its reader wants each piece as soon as it is there.
    pub fn new(body: B, encoder: Encoder, live: bool) -> Self {
        Self {
            body,
            encoder,
            input: Bytes::new(),
            trailers: None,
            live,
            held: false,
            worked: 0,
            state: State::Open,
        }
    }

    fn fail(&mut self, error: BoxError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state = State::Ended;
        Poll::Ready(Some(Err(error)))
    }
}

impl<B> Body for Compressed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            match this.state {
                State::Open => {}
                State::Trailers => {
                    this.state = State::Ended;
                    return Poll::Ready(this.trailers.take().map(Ok));
                }
                State::Ended => return Poll::Ready(None),
            }
            let slice = this.encoder.slice();
            if this.worked >= slice {
                this.worked = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.input.is_empty() {
                let piece = this.input.split_to(this.input.len().min(slice));
                this.worked += piece.len();
                this.held = true;
                if let Err(error) = this.encoder.write(&piece) {
                    return this.fail(error.into());
                }
                let coded = this.encoder.take();
                if !coded.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(coded.into()))));
                }
                continue;
            }
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.input = data,
                    Err(trailers) => this.trailers = Some(trailers),
                },
                Poll::Ready(Some(Err(error))) => return this.fail(error.into()),
                Poll::Ready(None) => {
                    this.state = State::Trailers;
                    match this.encoder.finish() {
                        Ok(coded) if coded.is_empty() => {}
                        Ok(coded) => return Poll::Ready(Some(Ok(Frame::data(coded.into())))),
                        Err(error) => return this.fail(error.into()),
                    }
                }
                Poll::Pending => {
                    this.worked = 0;
                    if !(this.live && this.held) {
                        return Poll::Pending;
                    }
                    this.held = false;
                    if let Err(error) = this.encoder.flush() {
                        return this.fail(error.into());
                    }
                    let coded = this.encoder.take();
                    if !coded.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(coded.into()))));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{Read as _, Write as _};
    use std::task::Waker;

    use proptest::prelude::*;

    use super::super::{Compressor, Settings};
    use super::*;
    use crate::Coding;

    /// Frames, and pauses between them.
    struct Script(VecDeque<Option<Frame<Bytes>>>);

    impl Body for Script {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            match self.0.pop_front() {
                Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                None => Poll::Ready(None),
            }
        }
    }

    fn compressor() -> Compressor {
        Compressor::new(Settings {
            offer: Vec::new(),
            zstd_level: 3,
            brotli_level: 4,
            gzip_level: 5,
            min_bytes: 0,
            types: Vec::new(),
            max_streams: 8,
        })
    }

    fn compressed(
        coding: Coding,
        script: impl IntoIterator<Item = Option<&'static [u8]>>,
        live: bool,
    ) -> Compressed<Script> {
        let compressor = compressor();
        let place = compressor.place().unwrap();
        let encoder = compressor.encoder(coding, None, place).unwrap();
        let frames = script.into_iter();
        let frames = frames.map(|data| data.map(|data| Frame::data(Bytes::from_static(data))));
        Compressed::new(Script(frames.collect()), encoder, live)
    }

    fn poll(body: &mut Compressed<Script>) -> Poll<Option<Frame<Bytes>>> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(body)
            .poll_frame(&mut cx)
            .map(|frame| frame.map(Result::unwrap))
    }

    fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            Coding::Zstd => plain = zstd::decode_all(coded).unwrap(),
            Coding::Br => {
                let mut reader = brotli::Decompressor::new(coded, 4096);
                reader.read_to_end(&mut plain).unwrap();
            }
            Coding::Gzip => {
                let mut reader = flate2::read::GzDecoder::new(coded);
                reader.read_to_end(&mut plain).unwrap();
            }
            Coding::Dcz => unreachable!(),
        }
        plain
    }

    const ALL: [Coding; 3] = [Coding::Zstd, Coding::Br, Coding::Gzip];

    #[test]
    fn what_has_come_goes_out_in_a_pause() {
        for coding in ALL {
            let script = [Some(&b"data: 1\n\n"[..]), None, None, Some(b"data: 2\n\n")];
            let mut body = compressed(coding, script, true);
            let mut coded = Vec::new();
            while let Poll::Ready(Some(frame)) = poll(&mut body) {
                coded.extend_from_slice(&frame.into_data().unwrap());
            }
            // What was flushed can be decoded without the rest.
            let mut plain = [0; 9];
            match coding {
                Coding::Zstd => {
                    let mut reader = zstd::stream::read::Decoder::new(&coded[..]).unwrap();
                    reader.read_exact(&mut plain).unwrap();
                }
                Coding::Br => {
                    let mut reader = brotli::Decompressor::new(&coded[..], 4096);
                    reader.read_exact(&mut plain).unwrap();
                }
                _ => {
                    let mut writer = flate2::write::GzDecoder::new(Vec::new());
                    writer.write_all(&coded).unwrap();
                    writer.flush().unwrap();
                    plain.copy_from_slice(writer.get_ref());
                }
            }
            assert_eq!(&plain, b"data: 1\n\n");
            while let Poll::Ready(Some(frame)) = poll(&mut body) {
                coded.extend_from_slice(&frame.into_data().unwrap());
            }
            assert_eq!(decoded(coding, &coded), b"data: 1\n\ndata: 2\n\n");
        }
    }

    #[test]
    fn others_get_a_turn_between_slices() {
        static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];
        for coding in ALL {
            let mut body = compressed(coding, [Some(&LARGE[..])], false);
            let (mut turns, mut coded) = (0, Vec::new());
            loop {
                match poll(&mut body) {
                    Poll::Pending => turns += 1,
                    Poll::Ready(Some(frame)) => {
                        coded.extend_from_slice(&frame.into_data().unwrap())
                    }
                    Poll::Ready(None) => break,
                }
            }
            assert!(turns >= 15, "{coding:?} {turns}");
            assert_eq!(decoded(coding, &coded), LARGE);
        }
    }

    #[test]
    fn trailers_pass() {
        let mut body = compressed(Coding::Gzip, [Some(&b"x"[..])], false);
        body.body
            .0
            .push_back(Some(Frame::trailers(http::HeaderMap::new())));
        let mut last = None;
        while let Poll::Ready(Some(frame)) = poll(&mut body) {
            last = Some(frame);
        }
        assert!(last.unwrap().is_trailers());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_goes_in_comes_out(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..8),
            live: bool,
        ) {
            for coding in ALL {
                let compressor = compressor();
                let encoder = compressor.encoder(coding, None, compressor.place().unwrap()).unwrap();
                let frames = pieces.iter().flat_map(|piece| {
                    [None, Some(Frame::data(Bytes::from(piece.clone())))]
                });
                let mut body = Compressed::new(Script(frames.collect()), encoder, live);
                let mut coded = Vec::new();
                loop {
                    match poll(&mut body) {
                        Poll::Pending => {}
                        Poll::Ready(Some(frame)) => coded.extend_from_slice(&frame.into_data().unwrap()),
                        Poll::Ready(None) => break,
                    }
                }
                prop_assert_eq!(decoded(coding, &coded), pieces.concat());
                let encoder = compressor.encoder(coding, Some(5), compressor.place().unwrap()).unwrap();
                prop_assert_eq!(decoded(coding, &encoder.whole(&pieces.concat()).unwrap()), pieces.concat());
            }
        }
    }
}
