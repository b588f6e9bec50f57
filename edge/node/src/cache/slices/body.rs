//! A client's body that is made of pieces: stored slices, slices on their way, and what passes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use crate::body::Body;
use crate::cache::fill::Weight;
use crate::error::{BoxError, ProxyError};

/// Where a piece comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It was stored.
    Store,
    /// It is fetched for this client.
    Upstream,
    /// It is fetched for another one.
    Other,
}

/// Some bytes of the answer.
pub(super) struct Piece {
    pub(super) body: Body,
    /// How many bytes of the body belong to the answer.
    pub(super) length: u64,
    pub(super) source: Source,
    /// What it takes of the memory for bodies on their way, until the client has had it.
    pub(super) _weight: Option<Arc<Weight>>,
}

/// Why an answer cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The upstream has something else now.
    #[error("the upstream has another version than the stored slices ({0})")]
    OtherVersion(StatusCode),
    /// The upstream does not give it to this request.
    #[error("the upstream answered {0} when it was asked for slices")]
    Refused(StatusCode),
    /// The upstream did not answer.
    #[error("the upstream could not be asked for slices: {0}")]
    Upstream(ProxyError),
    /// The upstream's body broke off.
    #[error("slices broke off: {0}")]
    Broken(BoxError),
    /// The upstream's body ended too early, or went silent.
    #[error("a body of slices was cut off")]
    CutOff,
    /// Nobody wants it any more.
    #[error("the client has left")]
    Left,
}

/// What comes from the task that puts the answer together.
pub(super) type Next = Result<Piece, Failed>;

pub(super) struct Composed {
    /// None once all of it is there, or it has failed.
    pieces: Option<mpsc::Receiver<Next>>,
    at_hand: Option<Piece>,
    /// Bytes that are still to come.
    left: u64,
}

impl Composed {
    pub(super) fn new(pieces: mpsc::Receiver<Next>, length: u64) -> Self {
        Self {
            pieces: Some(pieces),
            at_hand: None,
            left: length,
        }
    }

    /// Waits for the first piece; tells where it comes from.
    pub(super) async fn first(&mut self) -> Result<Source, Failed> {
        let pieces = self.pieces.as_mut().ok_or(Failed::CutOff)?;
        let piece = pieces.recv().await.ok_or(Failed::CutOff)??;
        let source = piece.source;
        self.at_hand = Some(piece);
        Ok(source)
    }

    fn fail(&mut self, error: impl Into<BoxError>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        (self.pieces, self.at_hand) = (None, None);
        Poll::Ready(Some(Err(error.into())))
    }
}

impl http_body::Body for Composed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            let Some(pieces) = &mut this.pieces else {
                return Poll::Ready(None);
            };
            let Some(piece) = &mut this.at_hand else {
                match ready!(pieces.poll_recv(cx)) {
                    Some(Ok(piece)) => this.at_hand = Some(piece),
                    Some(Err(failed)) => return this.fail(failed),
                    None => return this.fail(Failed::CutOff),
                }
                continue;
            };
            let mut data = match ready!(Pin::new(&mut piece.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // Trailers are about something else than this answer.
                    Err(_) => continue,
                },
                Some(Err(error)) => return this.fail(error),
                None => return this.fail(Failed::CutOff),
            };
            let most = usize::try_from(piece.length).unwrap_or(usize::MAX);
            data.truncate(most);
            piece.length -= data.len() as u64;
            this.left = this.left.saturating_sub(data.len() as u64);
            if piece.length == 0 {
                this.at_hand = None;
            }
            if this.left == 0 {
                this.pieces = None;
            }
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
