//! Gathers what HTTP/2 writes: h2 writes and flushes each frame of data by itself, and a system call and
//! a TLS record for every one of them cost more than to make it. What is small waits until the
//! connection's task has nothing more to write, which is in the same turn of it.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::Connection;

/// What is written at once and is larger is not copied.
const SMALL: usize = 4 << 10;
/// At most so much is gathered: a TLS record.
const MOST: usize = 16 << 10;
/// Slices that go to the system at once.
const SLICES: usize = 32;

/// A stream that gathers what is written to it. Shared between hyper, which writes, and the task of the
/// connection, which sends.
pub(super) struct Gathered<S>(Rc<RefCell<Inner<S>>>);

struct Inner<S> {
    stream: S,
    gathered: BytesMut,
}

impl<S> Clone for Gathered<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            stream,
            gathered: BytesMut::new(),
        })))
    }

    /// Sends what was gathered, as far as the client takes it; the task is woken when it takes more.
    pub(super) fn poll_out(&self, cx: &mut Context<'_>, connection: &Connection) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.gathered.is_empty() {
            return Ok(());
        }
        let out = inner.poll_out(cx);
        connection.write_waits.set(out.is_pending());
        match out {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.gathered))?;
            self.sent(sent)?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn sent(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.gathered.advance(bytes);
        if self.gathered.is_empty() {
            // A quiet connection keeps no memory for what it once said.
            self.gathered = BytesMut::new();
        }
        Ok(())
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if length < SMALL && self.gathered.len() + length <= MOST {
            if self.gathered.capacity() == 0 {
                self.gathered.reserve(SMALL);
            }
            for buf in bufs {
                self.gathered.extend_from_slice(buf);
            }
            return Poll::Ready(Ok(length));
        }
        while !self.gathered.is_empty() {
            let before = self.gathered.len();
            let mut slices = [IoSlice::new(&[]); SLICES];
            slices[0] = IoSlice::new(&self.gathered);
            let more = bufs.len().min(SLICES - 1);
            slices[1..=more].copy_from_slice(&bufs[..more]);
            let stream = Pin::new(&mut self.stream);
            let sent = ready!(stream.poll_write_vectored(cx, &slices[..=more]))?;
            self.sent(sent.min(before))?;
            if sent > before {
                return Poll::Ready(Ok(sent - before));
            }
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_take(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_take(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: it is sent when the task has nothing more to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_out(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn connection() -> Connection {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        Connection::new(peer, false, false, false)
    }

    #[tokio::test]
    async fn what_is_small_goes_out_in_one_piece_and_in_order() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut gathered = Gathered::new(server);
        let sender = gathered.clone();
        let large = vec![b'l'; SMALL];
        for piece in [&b"one "[..], b"two ", &large, b"three"] {
            gathered.write_all(piece).await.unwrap();
            gathered.flush().await.unwrap();
        }
        // The large one took with it what was before it; the last one waits.
        let mut read = vec![0; 8 + SMALL];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read[..9], b"one two l");
        assert!(futures_util::poll!(Box::pin(client.read_u8())).is_pending());
        let out = poll_fn(|cx| Poll::Ready(sender.poll_out(cx, &connection())));
        out.await.unwrap();
        let mut read = [0; 5];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"three");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_stops_the_writer() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut gathered = Gathered::new(server);
        let sender = gathered.clone();
        let connection = connection();
        let piece = [7; 1000];
        let mut taken = 0;
        while let Poll::Ready(written) = futures_util::poll!(Box::pin(gathered.write(&piece))) {
            taken += written.unwrap();
            assert!(taken <= MOST + 64 + piece.len());
        }
        let out = poll_fn(|cx| Poll::Ready(sender.poll_out(cx, &connection)));
        out.await.unwrap();
        assert!(connection.write_waits.get());
        // All that was taken arrives, by and by.
        let mut read = vec![0; taken];
        let reading = client.read_exact(&mut read);
        let sending = poll_fn(|cx| {
            sender.poll_out(cx, &connection).unwrap();
            match connection.write_waits.get() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        });
        let (read_all, ()) = tokio::join!(reading, sending);
        read_all.unwrap();
        assert!(read.iter().all(|byte| *byte == 7));
    }
}
