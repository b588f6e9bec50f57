//! Copies bytes both ways until both sides have ended, one breaks, nothing moves for too long, or
//! the tunnel's life is over. A side reads no more than the other takes: that is the back-pressure.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Tunnels;

/// Buffered in each direction, in bytes.
const BUFFER: usize = 16 * 1024;
/// The idle limit is this many looks at what has moved, so it is kept to within a quarter.
const LOOKS: u32 = 4;

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Bytes sent to the client.
    pub(crate) to_client: u64,
    /// Whether it was cut, or broke.
    pub(crate) aborted: bool,
}

/// Connects both. When one side ends, the other is told and may go on sending.
pub(super) async fn relay(
    client: impl AsyncRead + AsyncWrite + Unpin,
    early: Bytes,
    mut upstream: impl AsyncRead + AsyncWrite + Unpin,
    limits: &Tunnels,
) -> Ended {
    let moved = Rc::new(Moved::default());
    let mut client = Watched {
        stream: client,
        early,
        moved: Rc::clone(&moved),
    };
    let copy = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
    let life = async {
        match limits.max_lifetime {
            Some(life) => tokio::time::sleep(life).await,
            None => std::future::pending().await,
        }
    };
    let aborted = tokio::select! {
        result = copy => result.is_err(),
        () = idle(&moved, limits.idle_timeout) => true,
        () = life => true,
    };
    Ended {
        to_client: moved.to_client.get(),
        aborted,
    }
}

/// Waits until nothing has moved for so long.
async fn idle(moved: &Moved, limit: Duration) {
    let mut seen = moved.steps.get();
    let mut quiet = 0;
    while quiet < LOOKS {
        tokio::time::sleep(limit / LOOKS).await;
        let now = moved.steps.get();
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
}

#[derive(Debug, Default)]
struct Moved {
    steps: Cell<u32>,
    to_client: Cell<u64>,
}

impl Moved {
    fn step(&self) {
        self.steps.set(self.steps.get().wrapping_add(1));
    }
}

/// The client's side, which sees all that moves.
struct Watched<S> {
    stream: S,
    early: Bytes,
    moved: Rc<Moved>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let length = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..length]);
            self.early.advance(length);
            return Poll::Ready(Ok(()));
        }
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if poll.is_ready() {
            self.moved.step();
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &poll {
            self.moved.step();
            let sum = self.moved.to_client.get().saturating_add(*written as u64);
            self.moved.to_client.set(sum);
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMITS: Tunnels = Tunnels {
        max: 1,
        idle_timeout: Duration::from_secs(60),
        max_lifetime: None,
    };

    #[tokio::test]
    async fn each_side_may_end_before_the_other() {
        let (mut client, near) = duplex(64);
        let (mut upstream, far) = duplex(64);
        let early = Bytes::from_static(b"early ");
        let talk = async {
            client.write_all(b"hello").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = String::new();
            upstream.read_to_string(&mut heard).await.unwrap();
            // The client has ended, and still hears.
            upstream.write_all(b"bye").await.unwrap();
            upstream.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            (heard, answer)
        };
        let (ended, (heard, answer)) = tokio::join!(relay(near, early, far, &LIMITS), talk);
        assert_eq!((&*heard, &*answer), ("early hello", "bye"));
        assert_eq!((ended.to_client, ended.aborted), (3, false));
    }

    #[tokio::test]
    async fn a_side_that_does_not_read_holds_the_other_back() {
        let (mut client, near) = duplex(64);
        let (_upstream, far) = duplex(64);
        let fill = async {
            let mut sent = 0_usize;
            // What fits: the client's pipe, the relay's buffer, the upstream's pipe.
            while let Poll::Ready(written) = futures_util::poll!(Box::pin(client.write(&[0; 1024])))
            {
                sent += written.unwrap();
                tokio::task::yield_now().await;
            }
            sent
        };
        tokio::select! {
            sent = fill => assert!(sent <= 64 + BUFFER + 64, "{sent}"),
            _ = relay(near, Bytes::new(), far, &LIMITS) => panic!("ended"),
        }
    }

    #[tokio::test]
    async fn silence_and_old_age_end_a_tunnel() {
        let (short, long) = (Duration::from_millis(50), Duration::from_secs(60));
        for (idle_timeout, max_lifetime) in [(short, None), (long, Some(short))] {
            let (_client, near) = duplex(64);
            let (_upstream, far) = duplex(64);
            let limits = Tunnels {
                max: 1,
                idle_timeout,
                max_lifetime,
            };
            let begun = tokio::time::Instant::now();
            let ended = relay(near, Bytes::new(), far, &limits).await;
            assert!(ended.aborted);
            assert!(begun.elapsed() >= short && begun.elapsed() < long);
        }
    }
}
