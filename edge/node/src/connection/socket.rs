//! The socket of a client: reports what moves to the connection's timekeeper, and keeps what is not
//! strict HTTP/1.1 from hyper.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::Connection;
use super::transport::Transport;
use crate::http1::{Scanner, Violation};

/// A write on HTTP/2 that is smaller may be nothing but answers to `PING` frames, in bytes.
const LEAST_DATA: usize = 256;

/// A client's socket.
pub(super) struct Socket {
    /// None once it is parked.
    stream: Option<Transport>,
    /// Bytes read while the protocol was found out.
    first: Bytes,
    /// None on HTTP/2.
    scanner: Option<Scanner>,
    connection: Rc<Connection>,
}

impl Socket {
    pub(super) fn new(stream: Transport, first: Bytes, connection: Rc<Connection>) -> Self {
        let scanner = connection.http1.then(Scanner::default);
        Self {
            stream: Some(stream),
            first,
            scanner,
            connection,
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Transport>> {
        match &mut self.stream {
            Some(stream) => Ok(Pin::new(stream)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn scan(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let Some(scanner) = &mut self.scanner else {
            // Over TLS a client of HTTP/2 has yet to begin; then its pings keep it alive.
            if !self.connection.http1 {
                self.connection.awaits_head.set(false);
            }
            return Ok(());
        };
        let found = scanner.scan(bytes);
        let connection = &self.connection;
        let in_head = scanner.in_head();
        if in_head && !connection.awaits_head.get() {
            connection.heads.set(connection.heads.get().wrapping_add(1));
        }
        connection.awaits_head.set(in_head);
        connection.awaits_body.set(scanner.in_body());
        match found {
            Ok(()) => Ok(()),
            Err(Violation::Head(at)) => {
                // A NUL is illegal everywhere in a head. So hyper answers 400 by itself and closes.
                bytes[at] = 0;
                self.scanner = None;
                Ok(())
            }
            Err(Violation::Body) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "chunked body against RFC 9112",
            )),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.parking.get() {
            self.connection.parked.replace(self.stream.take());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.first.is_empty() {
            let poll = this.stream()?.poll_read(cx, buf);
            this.connection.read_waits.set(poll.is_pending());
            ready!(poll)?;
        } else {
            let length = this.first.len().min(buf.remaining());
            buf.put_slice(&this.first.split_to(length));
            if this.first.is_empty() {
                // An empty rest would keep what it is the rest of.
                this.first = Bytes::new();
            }
        }
        let received = &mut buf.filled_mut()[before..];
        if received.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if this.connection.http1 {
            this.connection.progressed();
        }
        Poll::Ready(this.scan(received))
    }
}

impl Socket {
    fn wrote(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.connection.write_waits.set(poll.is_pending());
        let enough = match self.connection.http1 {
            true => 1,
            false => LEAST_DATA,
        };
        if matches!(poll, Poll::Ready(Ok(written)) if written >= enough) {
            self.connection.progressed();
        }
        poll
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = self.stream()?.poll_write(cx, buf);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = self.stream()?.poll_write_vectored(cx, bufs);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(Transport::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = self.stream()?.poll_flush(cx);
        // TLS takes bytes before there is room for them on the socket.
        self.connection.write_waits.set(poll.is_pending());
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
